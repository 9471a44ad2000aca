
-- ── Packets ──────────────────────────────────────────────────────────────────────────────────────────

local HEADER = ENVELOPES.PACKET
local AT = {}
for _, name in ipairs({"type", "rsp", "vc", "status", "length", "txn"}) do AT[name] = place_of(HEADER.nodes, name) end

local MESSAGE = {} -- by code and form: nodes of the body, and how the message is called
local CODES = {}
for code in pairs(PACKET) do CODES[#CODES + 1] = code end
table.sort(CODES)
for _, code in ipairs(CODES) do
    local p, forms = PACKET[code], {}
    for form, layout in pairs(p.forms) do
        local path = p.name .. "." .. form
        local nodes = nodes_of(LAYOUT[layout], path .. ".")
        nodes.field = register(ProtoField.none("opal." .. path, p.name .. " " .. form, p.doc))
        forms[form] = {nodes = nodes, path = path, label = p.name .. " " .. form}
    end
    MESSAGE[code] = forms
end

local OTHER_SIDE = {phone = "module", module = "phone"}
local RECENT = {} -- what the present frame holds, for the statistics
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
        open[side][exchange] = {key = key, number = pinfo.number, time = pinfo.rel_ts}
    elseif form == "response" or form == "error" then
        local asked = open[side == 2 and 2 or 1 - side][exchange]
        if asked then
            local took = pinfo.rel_ts - asked.time
            partner[key] = {number = asked.number, took = took}
            partner[asked.key] = {number = pinfo.number, took = took}
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

local function form_of(s)
    local status = value_of(AT.status, s, 0)
    if value_of(AT.rsp, s, 0) == 1 then return SUCCESS[status] and "response" or "error", status end
    return value_of(AT.txn, s, 0) ~= 0 and "request" or "event", status
end

-- Shows the header and judges it; what is damaged or unknown is shown as bytes.
local function show_header(c, t, visited, broken, stop)
    local tree = wanted(t, HEADER.nodes, visited) and t or nil
    local _, found = walk(HEADER.nodes, c, 0, math.min(HEADER.head, #c.s), tree)
    local nothing = not broken and found
    if (broken or nothing) and #c.s > HEADER.head then
        local last = math.min(stop or #c.s, #c.s)
        if c.all and last > HEADER.head then t:add(HEADER.payload, c.tvb(HEADER.head, last - HEADER.head)) end
    end
    return broken or found
end

local UNNAMED = {{field = HEADER.payload}}

-- Dissects one packet, of which `s` are the bytes of `tvb`, and says in a word what it is.
local function packet(tvb, s, pinfo, tree, key)
    local t = tree:add(opal, tvb(0, #s))
    local visited = pinfo.visited
    local c = {s = s, tvb = tvb, all = t.visible}
    local sum = c.all or #s <= crc_limit or wanted(t, ASKS, visited) or wanted(t, HEADER.crc_nodes, visited)
    local at, stop, status, cut = framed(HEADER, c, sum)
    local broken
    if not at then broken, stop = stop, cut end
    local found = show_header(c, t, visited, broken, stop)
    local label, took = "damaged packet", nil
    if #s >= HEADER.head then
        local code, txn = value_of(AT.type, s, 0), value_of(AT.txn, s, 0)
        local form, result = form_of(s)
        local message = MESSAGE[code] and MESSAGE[code][form]
        label = message and message.label or string.format("%s %s", E.PacketType[code] or "type " .. code, form)
        if c.all then t:append_text(": " .. label) end
        if not found then
            if message then
                local body
                if wanted(t, message.nodes, visited) then body = t:add(message.nodes.field, tvb(at, stop - at)) end
                local after, wrong = walk(message.nodes, c, at, stop, body)
                if after and after < stop then wrong = long(after, stop) end
                found = wrong and under(wrong, message.path)
                if found and not sum then -- the CRC comes before everything that it covers
                    local _, damage, again = framed(HEADER, c, true)
                    status = again or status
                    if again == 0 then found = damage end
                end
            else
                if stop > at and wanted(t, UNNAMED, visited) then t:add(HEADER.payload, tvb(at, stop - at)) end
                t:add_proto_expert_info(UNKNOWN, label .. " is not known")
            end
        end
        if not found then
            if txn ~= 0 and not visited then link(form, code, txn, pinfo, key) end
            local other = partner[key]
            if other then
                if wanted(t, LINKS, visited) then show_link(t, form, other) end
                if form ~= "request" then took = other.took end
            end
            if form == "error" then
                label = label .. " " .. (E.Status[result] or result)
                t:add_proto_expert_info(REFUSED, label)
            end
            if AFTER[code] and message then AFTER[code](c, t, at, pinfo, key) end
        end
        if txn ~= 0 then label = label .. " #" .. string.format("%d", txn) end
        if PACKET[code] and not pinfo.in_error_pkt then
            local sender = PACKET[code].sender
            if form == "response" or form == "error" then sender = OTHER_SIDE[sender] or sender end
            if OTHER_SIDE[sender] then
                pinfo.cols.src, pinfo.cols.dst = sender, OTHER_SIDE[sender]
            end
        end
    end
    if c.all or wanted(t, HEADER.crc_nodes, visited) then show_crc(HEADER, c, t, stop, status) end
    if found then
        show_fault(t, tvb, found)
        label = label .. " [" .. found.class .. (found.path ~= "" and ": " .. found.path or "") .. "]"
    end
    RECENT[#RECENT + 1] = {label = label, size = #s, took = took, fault = found and found.class}
    return label
end
