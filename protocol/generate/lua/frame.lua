
-- ── Frames ───────────────────────────────────────────────────────────────────────────────────────────
-- Blocks are tied to the leader of their frame and counted; the trailer tells how many were seen and how many not.

local LEADER_IN = register(ProtoField.framenum("opal.frame.leader_in", "Leader in", base.NONE, frametype.NONE))
local TRAILER_IN = register(ProtoField.framenum("opal.frame.trailer_in", "Trailer in", base.NONE, frametype.NONE))
local NUMBER = register(ProtoField.uint64("opal.frame.number", "Frame", base.DEC, nil, nil, "The frame's number."))
local OFFSET = register(ProtoField.uint64("opal.frame.offset", "Offset", base.UNIT_STRING, {" B"}, nil,
    "Where the block's data belongs in the frame's."))
local SEEN = register(ProtoField.uint32("opal.frame.seen", "Blocks seen", base.DEC, nil, nil, "Each counted once."))
local UNSEEN = register(ProtoField.uint32("opal.frame.unseen", "Blocks not seen", base.DEC, nil, nil,
    "That the leader announced and that were not captured before the trailer."))
local FRAME_NODES = {}
for _, field in ipairs({LEADER_IN, TRAILER_IN, NUMBER, OFFSET, SEEN, UNSEEN}) do
    FRAME_NODES[#FRAME_NODES + 1] = {field = field}
end

local frames -- by stream and the low half of its number: the frame that is being received
local part_of -- by key: the frame of a leader, a block or a trailer

local function places(layout, names)
    local out, nodes = {}, {}
    for i, p in ipairs(LAYOUT[layout] or {}) do
        nodes[i] = {kind = p.kind, name = p.name, size = p.size or 0, format = WORDS[p.size or 0]}
        if p.kind ~= "number" and p.kind ~= "octets" then nodes[i] = nil break end
    end
    for _, name in ipairs(names) do out[name] = place_of(nodes, name) end
    return out
end

local function code_of(name)
    for code, p in pairs(PACKET) do
        if p.name == name then return code, p.forms.event end
    end
end

local function show_part(c, t, pinfo, f, block)
    if not (f and wanted(t, FRAME_NODES, pinfo.visited)) then return end
    t:add(NUMBER, f.number):set_generated()
    if f.leader ~= pinfo.number then t:add(LEADER_IN, f.leader):set_generated() end
    if f.trailer and f.trailer ~= pinfo.number then t:add(TRAILER_IN, f.trailer):set_generated() end
    if block then
        t:add(OFFSET, UInt64.new(block) * UInt64.new(f.block_bytes)):set_generated()
    end
    if f.trailer == pinfo.number then
        t:add(SEEN, f.count):set_generated()
        t:add(UNSEEN, math.max(0, f.blocks - f.count)):set_generated()
    end
end

local leader_code, leader_layout = code_of("FRAME_LEADER")
local block_code, block_layout = code_of("FRAME_BLOCK")
local trailer_code, trailer_layout = code_of("FRAME_TRAILER")

if leader_code and block_code and trailer_code then
    local L = places(leader_layout, {"frame", "stream", "blocks", "block_bytes"})
    local B = places(block_layout, {"frame_lo", "block"})
    local T = places(trailer_layout, {"frame", "stream"})
    local first_stream
    for value, name in pairs(E.VirtualChannel) do if name == "STREAM0" then first_stream = value end end

    local function place(stream, number) return stream * 4294967296 + number end

    AFTER[leader_code] = function(c, t, at, pinfo, key)
        if not pinfo.visited then
            local number = value_of(L.frame, c.s, at)
            local f = {
                number = number, leader = pinfo.number, blocks = value_of(L.blocks, c.s, at), count = 0, seen = {},
                block_bytes = value_of(L.block_bytes, c.s, at),
            }
            frames[place(value_of(L.stream, c.s, at), number:lower())] = f
            part_of[key] = f
        end
        show_part(c, t, pinfo, part_of[key])
    end

    AFTER[block_code] = function(c, t, at, pinfo, key)
        local block = value_of(B.block, c.s, at)
        if not pinfo.visited then
            local f = frames[place(value_of(AT.vc, c.s, 0) - first_stream, value_of(B.frame_lo, c.s, at))]
            if f and f.seen and not f.seen[block] then f.seen[block], f.count = true, f.count + 1 end
            part_of[key] = f
        end
        show_part(c, t, pinfo, part_of[key], block)
    end

    AFTER[trailer_code] = function(c, t, at, pinfo, key)
        if not pinfo.visited then
            local where = place(value_of(T.stream, c.s, at), value_of(T.frame, c.s, at):lower())
            local f = frames[where]
            if f then f.trailer, f.seen, frames[where] = pinfo.number, nil, nil end
            part_of[key] = f
        end
        show_part(c, t, pinfo, part_of[key])
    end
end
