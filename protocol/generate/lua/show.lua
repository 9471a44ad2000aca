
-- ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────

local ENVELOPES = {} -- by name: nodes of the header, how its length is read, what comes after it
for name, e in pairs(ENVELOPE) do
    local nodes, at = nodes_of(e.parts, name .. "."), 0
    local found = {
        name = name, nodes = nodes, size = e.size, crc = e.crc ~= "" and e.crc or nil,
        payload = register(ProtoField.bytes("opal." .. name .. ".payload", "payload", base.NONE, "What it carries.")),
    }
    for _, n in ipairs(nodes) do
        at = at + n.size
        if n.name == "length" then found.known = at end -- bytes that say how long it is
    end
    found.head = at
    if not found.size then found.length = reader(nodes, {"length"}) end
    if found.crc then
        found.crc_size = CRC[e.crc].width / 8
        found.format = WORDS[found.crc_size]
        found.crc_field = integer(name .. ".crc", {name = "crc", flags = true, doc = e.crc}, found.crc_size)
        found.status_field = register(ProtoField.uint8("opal." .. name .. ".crc.status", "CRC status", base.DEC,
            {[0] = "bad", "good", "not checked"}, nil, "Whether the CRC is right."))
        found.crc_nodes = {{field = found.crc_field}, {field = found.status_field}}
    end
    ENVELOPES[name] = found
end

-- ── Faults in the tree ───────────────────────────────────────────────────────────────────────────────

local FAULT = {}
local ASKS = {} -- nodes of fields that ask for checks: those of faults, and Wireshark's own of all expert information
local EXPERTS = {}
local function expert_info(name, text, group, severity)
    local found = ProtoExpert.new("opal." .. name, text, group, severity)
    EXPERTS[#EXPERTS + 1] = found
    -- A field of the same name is asked for whenever the expert information is.
    local same = register(ProtoField.none("opal." .. name, text))
    ASKS[#ASKS + 1] = {field = same}
    return found
end

for class, text in pairs({
    short = "Bytes are missing", long = "Bytes are left over", const = "A field is not what it must be",
    range = "A number is outside its range", cap = "A list or data of an illegal length",
}) do
    FAULT[class] = expert_info("fault." .. class, text, expert.group.MALFORMED, expert.severity.ERROR)
end
FAULT.crc = expert_info("fault.crc", "The check does not match", expert.group.CHECKSUM, expert.severity.ERROR)
local REFUSED = expert_info("refused", "A request was refused", expert.group.RESPONSE_CODE, expert.severity.NOTE)
local UNKNOWN = expert_info("unknown", "A type or a form that is not known", expert.group.UNDECODED,
    expert.severity.WARN)

local FAULT_CLASS = register(ProtoField.string("opal.fault", "Fault", base.ASCII, "Class of the first violation."))
local FAULT_PATH = register(ProtoField.string("opal.fault.path", "Path", base.ASCII, "Where it is."))
for _, f in ipairs({FAULT_CLASS, FAULT_PATH}) do ASKS[#ASKS + 1] = {field = f} end
ASKS[#ASKS + 1] = {field = register(ProtoField.new("Expert Info", "_ws.expert", ftypes.PROTOCOL))}
for _, name in ipairs({"severity", "group"}) do
    ASKS[#ASKS + 1] = {field = register(ProtoField.uint32("_ws.expert." .. name, name))}
end
ASKS[#ASKS + 1] = {field = register(ProtoField.string("_ws.expert.message", "message"))}

local function show_fault(tree, tvb, found)
    local at = math.min(found.at, tvb:len())
    local item = tree:add(FAULT_CLASS, tvb(at, 0), found.class)
    item:set_generated()
    item:add(FAULT_PATH, tvb(at, 0), found.path):set_generated()
    local where = found.path ~= "" and found.path or "data"
    tree:add_proto_expert_info(FAULT[found.class], where .. " at offset " .. found.at .. ": " .. found.detail)
end

-- ── An envelope in the tree ──────────────────────────────────────────────────────────────────────────

-- Where the payload begins and ends, or nothing and the fault of an envelope that is damaged. `sum` is set where the
-- CRC is to be checked; then the third result says whether it is right.
local function framed(e, c, sum)
    local s, n = c.s, c.size
    if n < e.head then
        local at = 0
        for _, node in ipairs(e.nodes) do -- what is there of a cut header is not judged: no CRC vouches for it
            if at + node.size > n then return nil, short(node.name, at, n, node.size) end
            at = at + node.size
        end
    end
    local length = e.size or e.length(s, 0)
    local stop = e.head + length
    if n < stop then return nil, short("payload", e.head, n, length) end
    local after = stop + (e.crc_size or 0)
    if n < after then return nil, short("crc", stop, n, e.crc_size) end
    local status = 2
    if e.crc and (sum or n > after) then
        local computed, found = SUM[e.crc](whole(c), stop), unpack(e.format, c.s, stop + 1)
        status = computed == found and 1 or 0
        if status == 0 then
            local detail = string.format("is 0x%x, computed 0x%x", found, computed)
            return nil, fault("crc", "crc", stop, detail), 0, stop
        end
    end
    if n > after then return nil, long(after, n), status, stop end
    return e.head, stop, status
end

local function show_crc(e, c, stop, status)
    if not (e.crc and stop and wanted(c, e.crc_nodes)) then return end
    local tree = c.tree
    if c.size >= stop + e.crc_size then tree:add_le(e.crc_field, c.tvb(stop, e.crc_size)) end
    if status then tree:add(e.status_field, c.tvb(stop, 0), status):set_generated() end
end
