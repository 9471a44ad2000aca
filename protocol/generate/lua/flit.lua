
-- ── FLITs ────────────────────────────────────────────────────────────────────────────────────────────
-- A direction's FLITs are put in order by their numbers, whatever was lost, sent again or came early; the payloads of a
-- virtual channel, end to end, are its packets. This happens once, in the first pass; what came of it is kept by frame.

local FLIT, SIDEBAND = ENVELOPES.FLIT, ENVELOPES.SIDEBAND
local read_flit = reader(FLIT.nodes, {"seq", "kind", "epoch", "vc", "first_off"})
local KIND = {}
for value, name in pairs(E.FlitKind) do KIND[name] = value end
local NOWHERE = FLIT.size
local FLIT_BYTES = FLIT.head + FLIT.size + FLIT.crc_size
local HELD = 4096 -- FLITs that wait for one that is missing: no sender holds more for replay

local DUPLICATE = expert_info("duplicate", "A FLIT that came twice", expert.group.SEQUENCE, expert.severity.NOTE)
local EARLY = expert_info("early", "A FLIT that came before one that is missing", expert.group.SEQUENCE,
    expert.severity.NOTE)
local BROKEN = expert_info("broken", "A packet of which FLITs are missing", expert.group.REASSEMBLE,
    expert.severity.WARN)
local NOTE = {duplicate = DUPLICATE, early = EARLY, broken = BROKEN}
local SEGMENT = register(ProtoField.framenum("opal.segment", "FLIT", base.NONE, frametype.NONE, 0,
    "A FLIT that holds a part of the packet."))
local REASSEMBLED_IN = register(ProtoField.framenum("opal.reassembled_in", "Packet goes on, and ends, in", base.NONE,
    frametype.NONE, 0, "The FLIT in which the packet that goes on here is whole."))
local SEGMENTS = {{field = SEGMENT}, {field = REASSEMBLED_IN}}

local ends -- by direction: what has come
local results -- by frame: what a FLIT completed
local ends_in -- by frame: where the packet that goes on there ends
local kept -- bytes of reassembled packets
local keep_limit = 256 -- MiB

local function new_end(epoch) return {epoch = epoch, early = {}, held = 0, channels = {}} end

local function channel_of(e, vc)
    local found = e.channels[vc]
    if not found then
        found = {parts = {}, frames = {}, need = 0, start = "", limit = (LONGEST[vc] or 65535) + OVERHEAD}
        e.channels[vc] = found
    end
    return found
end

local function give_up(ch, out)
    out.note = "broken"
    ch.parts, ch.frames, ch.need, ch.start = {}, {}, 0, ""
end

local function close(ch, out)
    local data = table.concat(ch.parts)
    for _, number in ipairs(ch.frames) do ends_in[number] = out.number end
    kept = kept + #data
    out[#out + 1] = {data = data, frames = ch.frames}
    ch.parts, ch.frames, ch.need = {}, {}, 0
end

local function packet_size(s, at) return OVERHEAD + HEADER.length(s, at) end

-- The packets that begin at `at` and behind it, until the version byte is zero. `before` bytes are of earlier FLITs.
local function begin(ch, data, at, before, number, out, own)
    local stop = #data
    while at < stop and byte(data, at + 1) ~= 0 do
        if stop - at < HEADER.known then
            ch.start, ch.frames = data:sub(at + 1), {number}
            return
        end
        local size = packet_size(data, at)
        if size > ch.limit then return give_up(ch, out) end
        if at + size > stop then
            ch.parts, ch.frames, ch.need = {data:sub(at + 1)}, {number}, at + size - stop
            return
        end
        out[#out + 1] = own and {at = at - before, size = size} or {data = data:sub(at + 1, at + size), frames = {number}}
        at = at + size
    end
end

-- One payload of a channel. `own` is set where it is the payload of the frame itself.
local function feed(ch, offset, payload, number, out, own)
    local data = ch.start .. payload
    local before = #ch.start
    local size = ch.need > 0 and ch.need or before > 0 and packet_size(data, 0) or 0
    local at
    if before > 0 and size > ch.limit then
        give_up(ch, out)
        data, before, at = payload, 0, math.min(offset, NOWHERE)
    elseif size > 0 then
        local begins = NOWHERE
        if size < #data and byte(data, size + 1) ~= 0 then begins = size - before end
        if offset ~= begins then
            give_up(ch, out)
            data, before, at = payload, 0, math.min(offset, NOWHERE)
        else
            ch.start = ""
            ch.parts[#ch.parts + 1] = data:sub(1, size)
            ch.frames[#ch.frames + 1] = number
            ch.need = math.max(size - #data, 0)
            if ch.need == 0 then close(ch, out) end
            at = size
        end
    else
        at = offset -- what stands before it belongs to a packet that was given up, or of which the beginning is lost
    end
    begin(ch, data, at, before, number, out, own)
end

local function take(e, f, out)
    feed(channel_of(e, f.vc), f.offset, f.payload, f.number, out, f.number == out.number)
    e.expected = (e.expected + 1) % 65536
end

-- A sound FLIT in the first pass.
local function arrived(s, pinfo)
    local side, out = direction(pinfo), {number = frame_number}
    local seq, kind, epoch, vc, offset = read_flit(s, 0)
    local e = ends[side]
    if not e or e.epoch ~= epoch then
        local fresh = e == nil
        e = new_end(epoch)
        if not fresh then e.expected = 0 end
        ends[side] = e
    end
    if kind ~= KIND.DATA and kind ~= KIND.REPLAY then
        if not e.expected then e.expected = (seq + 1) % 65536 end
        return out
    end
    e.expected = e.expected or seq
    local f = {
        vc = vc, offset = offset, number = frame_number,
        payload = s:sub(FLIT.head + 1, FLIT.head + FLIT.size),
    }
    local ahead = (seq - e.expected + 32768) % 65536 - 32768
    if ahead < 0 or e.early[seq] then
        out.note = "duplicate"
        return out
    end
    if ahead > 0 then
        e.early[seq], e.held = f, e.held + 1
        if e.held <= HELD then
            out.note = "early"
            return out
        end
        local first = 65536 -- what is missing was not captured: go on with what is there
        for number in pairs(e.early) do first = math.min(first, (number - e.expected) % 65536) end
        e.expected = (e.expected + first) % 65536
        for _, ch in pairs(e.channels) do
            if ch.need > 0 or ch.start ~= "" then give_up(ch, out) end
        end
    else
        take(e, f, out)
    end
    while e.early[e.expected] do
        local next_one = e.early[e.expected]
        e.early[e.expected], e.held = nil, e.held - 1
        take(e, next_one, out)
    end
    return out
end

-- ── In the tree ──────────────────────────────────────────────────────────────────────────────────────

local function show_packets(c, pinfo, tree, out)
    local labels = {}
    for i = 1, #out do
        local p = out[i]
        local key = frame_number * PER_FRAME + i
        if p.at then
            local inner = c.tvb(FLIT.head + p.at, p.size):tvb()
            labels[i] = packet(inner, pinfo, tree, key)
        elseif p.data then
            local inner = ByteArray.new(p.data, true):tvb("Packet of " .. #p.frames .. " FLITs")
            labels[i] = packet(inner, pinfo, tree, key)
            if kept > keep_limit * 1048576 then p.data = nil end
        else
            labels[i] = "a packet that was not kept"
        end
        if p.frames and wanted(c, SEGMENTS) then
            for _, number in ipairs(p.frames) do c.tree:add(SEGMENT, number):set_generated() end
        end
    end
    return table.concat(labels, ", ")
end

local function show_envelope(e, c)
    local t = c.tree
    local at, stop, status, cut = framed(e, c, true)
    local found
    if not at then found, stop = stop, cut end
    local _, wrong = walk(e.nodes, c, 0, math.min(e.head, c.size), wanted(c, e.nodes) and t or nil)
    found = found or wrong
    local last = math.min(stop or c.size, c.size)
    if last > e.head and (pass.all and found or t:referenced(e.payload)) then
        t:add(e.payload, c.tvb(e.head, last - e.head))
    end
    show_crc(e, c, stop, status)
    if found then show_fault(t, c.tvb, found) end
    return found, at, stop
end

local function flit(tvb, s, pinfo, tree)
    local c = context(tvb, s, tree, "OPAL FLIT")
    local found = show_envelope(FLIT, c)
    if found then return "FLIT [" .. found.class .. "]" end
    local t = c.tree
    if not pass.visited then
        local out = arrived(s, pinfo)
        if #out > 0 or out.note then results[frame_number] = out end
    end
    local seq, kind, _, vc = read_flit(s, 0)
    local label = string.format("FLIT %s %s seq=%d", E.FlitKind[kind], E.VirtualChannel[vc] or vc, seq)
    local out = results[frame_number]
    local ending = ends_in[frame_number]
    if ending and wanted(c, SEGMENTS) then t:add(REASSEMBLED_IN, ending):set_generated() end
    if not out then return label end
    if out.note then t:add_proto_expert_info(NOTE[out.note]) end
    if #out == 0 then return label .. " [" .. out.note .. "]" end
    return label .. ": " .. show_packets(c, pinfo, tree, out)
end

local function sideband(tvb, s, pinfo, tree)
    local c = context(tvb, s, tree, "OPAL sideband record")
    local found, at, stop = show_envelope(SIDEBAND, c)
    if found then return "sideband record [" .. found.class .. "]" end
    local inner = tvb(at, stop - at):tvb()
    return packet(inner, pinfo, tree, frame_number * PER_FRAME)
end

local sync = reader(SIDEBAND.nodes, {"sync"})
local MARK
for _, n in ipairs(SIDEBAND.nodes) do if n.name == "sync" then MARK = n.const end end

-- A recording of the lanes holds both. Where the bytes could be either, the CRC tells.
local function is_sideband(s)
    if #s < SIDEBAND.head or sync(s, 0) ~= MARK then return false end
    if #s ~= FLIT_BYTES then return true end
    return framed(FLIT, {s = s, size = #s}, true) == nil
end
