
-- ── Packets ──────────────────────────────────────────────────────────────────────────────────────────

local HEADER = ENVELOPES.PACKET
local read_header = reader(HEADER.nodes, {"type", "rsp", "status", "txn"})

local BEGINNING = 128 -- bytes of a packet that are read at once; of one that ends in raw data that is often enough

-- Whether all that has to be looked at in a body is in its beginning.
local function is_brief(steps)
    local first, last = steps[1], steps[#steps]
    if last and last.kind == "raw" then return #steps == 1 or #steps == 2 and HEADER.head + first.size <= BEGINNING end
    return #steps == 0
end

local MESSAGE = {} -- by code and form: nodes of the body, how the message is called, whether its beginning is enough
local CODES = {}
for code in pairs(PACKET) do CODES[#CODES + 1] = code end
table.sort(CODES)
for _, code in ipairs(CODES) do
    local p, forms = PACKET[code], {}
    for form, layout in pairs(p.forms) do
        local path = p.name .. "." .. form
        local nodes = nodes_of(LAYOUT[layout], path .. ".")
        nodes.field = register(ProtoField.none("opal." .. path, p.name .. " " .. form, p.doc))
        forms[form] = {nodes = nodes, path = path, label = p.name .. " " .. form, brief = is_brief(nodes.steps)}
    end
    MESSAGE[code] = forms
end

local OTHER_SIDE = {phone = "module", module = "phone"}
local RECENT -- what the present frame holds, where statistics are taken
local columns -- of the present frame, where anybody reads them
local crc_limit = 1024

-- ── Requests and responses ───────────────────────────────────────────────────────────────────────────
-- A packet's key is its frame and its place among the packets of that frame.

local REQUEST_IN = register(ProtoField.framenum("opal.request_in", "Request in", base.NONE, frametype.REQUEST))
local RESPONSE_IN = register(ProtoField.framenum("opal.response_in", "Response in", base.NONE, frametype.RESPONSE))
local RESPONSE_TIME = register(ProtoField.relative_time("opal.response_time", "Response time",
    "From the request to its response, as captured."))
local LINKS = {{field = REQUEST_IN}, {field = RESPONSE_IN}, {field = RESPONSE_TIME}}
local PER_FRAME = 64 -- more packets than a FLIT can hold

local open -- by direction, type and transaction: the last request
local partner -- by key: frame of the other, and how long it took

local function direction(pinfo)
    local found = pinfo.p2p_dir
    return (found == 0 or found == 1) and found or 2
end

local function link(form, code, txn, pinfo, key)
    local side = direction(pinfo)
    local exchange = code * 65536 + txn
    if form == "request" then
        open[side][exchange] = {key = key, number = frame_number, time = pinfo.rel_ts}
    elseif form == "response" or form == "error" then
        local asked = open[side == 2 and 2 or 1 - side][exchange]
        if asked then
            local took = pinfo.rel_ts - asked.time
            partner[key] = {number = asked.number, took = took}
            partner[asked.key] = {number = frame_number, took = took}
            open[side == 2 and 2 or 1 - side][exchange] = nil
        end
    end
end

local function show_link(tree, form, found)
    local request = form == "request"
    tree:add(request and RESPONSE_IN or REQUEST_IN, found.number):set_generated()
    local seconds = math.floor(found.took)
    local time = NSTime.new(seconds, math.floor((found.took - seconds) * 1e9 + 0.5))
    tree:add(RESPONSE_TIME, time):set_generated()
end

-- ── A packet ─────────────────────────────────────────────────────────────────────────────────────────

local AFTER = {} -- by code: what else is done with an event of that type

local function form_of(rsp, status, txn)
    if rsp == 1 then return SUCCESS[status] and "response" or "error" end
    return txn ~= 0 and "request" or "event"
end

-- Shows the header and judges it; what is damaged or unknown is shown as bytes.
local function show_header(c, broken, stop)
    local _, found = walk(HEADER.nodes, c, 0, math.min(HEADER.head, c.size), wanted(c, HEADER.nodes) and c.tree or nil)
    if pass.all and (broken or found) and c.size > HEADER.head then
        local last = math.min(stop or c.size, c.size)
        if last > HEADER.head then c.tree:add(HEADER.payload, c.tvb(HEADER.head, last - HEADER.head)) end
    end
    return broken or found
end

local UNNAMED = {{field = HEADER.payload}}

-- Shows a body and judges it. Where that says that something is wrong and the CRC has not been checked, that comes
-- first: the fault is then of the CRC if it is wrong, and the second result is its status.
local function show_body(c, message, at, stop, sum)
    local body = wanted(c, message.nodes) and branch(c, message.nodes, c.tree, at, stop) or nil
    if not message.brief then whole(c) end
    local after, wrong = walk(message.nodes, c, at, stop, body)
    if after and after < stop then wrong = long(after, stop) end
    if not wrong then return nil end
    if not sum then
        local _, damage, status = framed(HEADER, c, true)
        if status == 0 then return damage, status end
        return under(wrong, message.path), status
    end
    return under(wrong, message.path)
end

local function show_sides(code, form)
    local sender = PACKET[code].sender
    if form == "response" or form == "error" then sender = OTHER_SIDE[sender] or sender end
    if OTHER_SIDE[sender] then columns.src, columns.dst = sender, OTHER_SIDE[sender] end
end

-- Dissects one packet and says in a word what it is.
local function packet(tvb, pinfo, tree, key)
    local c = context(tvb, tvb:raw(0, math.min(tvb:len(), BEGINNING)), tree)
    local t, size = c.tree, c.size
    local sum = pass.all or size <= crc_limit or wanted(c, ASKS) or wanted(c, HEADER.crc_nodes)
    local at, stop, status, cut = framed(HEADER, c, sum)
    local broken
    if not at then broken, stop = stop, cut end
    local found = show_header(c, broken, stop)
    local label, took = "damaged packet", nil
    if size >= HEADER.head then
        local code, rsp, result, txn = read_header(c.s, 0)
        local form = form_of(rsp, result, txn)
        local message = MESSAGE[code] and MESSAGE[code][form]
        label = message and message.label or string.format("%s %s", E.PacketType[code] or "type " .. code, form)
        if pass.all then t:append_text(": " .. label) end
        if message and not found then
            local again
            found, again = show_body(c, message, at, stop, sum)
            status = again or status
        elseif not found then
            if stop > at and wanted(c, UNNAMED) then t:add(HEADER.payload, tvb(at, stop - at)) end
            t:add_proto_expert_info(UNKNOWN, label .. " is not known")
        end
        if not found then
            if txn ~= 0 then
                if not pass.visited then link(form, code, txn, pinfo, key) end
                local other = partner[key]
                if other and wanted(c, LINKS) then show_link(t, form, other) end
                if other and form ~= "request" then took = other.took end
            end
            if form == "error" then
                label = label .. " " .. (E.Status[result] or result)
                t:add_proto_expert_info(REFUSED, label)
            end
            if AFTER[code] and message then AFTER[code](c, at, key) end
        end
        if txn ~= 0 then label = label .. " #" .. string.format("%d", txn) end
        if columns and PACKET[code] and not pinfo.in_error_pkt then show_sides(code, form) end
    end
    show_crc(HEADER, c, stop, status)
    if found then
        show_fault(t, tvb, found)
        label = label .. " [" .. found.class .. (found.path ~= "" and ": " .. found.path or "") .. "]"
    end
    if RECENT then RECENT[#RECENT + 1] = {label = label, size = size, took = took, fault = found and found.class} end
    return label
end
