
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

-- What a leader leaves behind, with as little as can be for the collector of garbage to look at; the rest comes later.
local LOW, HIGH, LEADER, BLOCKS, BLOCK_BYTES = 1, 2, 3, 4, 5

local function code_of(name)
    for code, p in pairs(PACKET) do
        if p.name == name and p.forms.event then return code, MESSAGE[code].event.nodes end
    end
end

local function show_part(c, f, block)
    if not (f and wanted(c, FRAME_NODES)) then return end
    local t = c.tree
    t:add(NUMBER, UInt64.new(f[LOW], f[HIGH])):set_generated()
    if f[LEADER] ~= frame_number then t:add(LEADER_IN, f[LEADER]):set_generated() end
    if f.trailer and f.trailer ~= frame_number then t:add(TRAILER_IN, f.trailer):set_generated() end
    if block then
        t:add(OFFSET, UInt64.new(block) * UInt64.new(f[BLOCK_BYTES])):set_generated()
    end
    if f.trailer == frame_number then
        t:add(SEEN, f.count or 0):set_generated()
        t:add(UNSEEN, math.max(0, f[BLOCKS] - (f.count or 0))):set_generated()
    end
end

local leader_code, leader_nodes = code_of("FRAME_LEADER")
local block_code, block_nodes = code_of("FRAME_BLOCK")
local trailer_code, trailer_nodes = code_of("FRAME_TRAILER")

if leader_code and block_code and trailer_code then
    local channel_of = reader(HEADER.nodes, {"vc"})
    local read_leader = reader(leader_nodes, {"frame", "stream", "blocks", "block_bytes"})
    local read_block = reader(block_nodes, {"frame_lo", "block"})
    local read_trailer = reader(trailer_nodes, {"frame", "stream"})
    local first_stream
    for value, name in pairs(E.VirtualChannel) do if name == "STREAM0" then first_stream = value end end

    local function place(stream, number) return stream * 4294967296 + number end

    AFTER[leader_code] = function(c, at, key)
        if not pass.visited then
            local low, high, stream, blocks, block_bytes = read_leader(c.s, at)
            local f = {low, high, frame_number, blocks, block_bytes}
            frames[place(stream, low)] = f
            part_of[key] = f
        end
        show_part(c, part_of[key])
    end

    AFTER[block_code] = function(c, at, key)
        local frame_lo, block = read_block(c.s, at)
        if not pass.visited then
            local f = frames[place(channel_of(c.s, 0) - first_stream, frame_lo)]
            if f then
                local seen = f.seen or {}
                if not seen[block] then seen[block], f.seen, f.count = true, seen, (f.count or 0) + 1 end
            end
            part_of[key] = f
        end
        show_part(c, part_of[key], block)
    end

    AFTER[trailer_code] = function(c, at, key)
        if not pass.visited then
            local low, _, stream = read_trailer(c.s, at)
            local where = place(stream, low)
            local f = frames[where]
            if f then f.trailer, f.seen, frames[where] = frame_number, nil, nil end
            part_of[key] = f
        end
        show_part(c, part_of[key])
    end
end
