-- The dissector that one would write by hand for the two samples: every field of every packet goes into the tree, whether
-- anybody looks at it or not. It checks neither the CRC nor a range, and ties nothing to anything.

local naive = Proto("naive", "OPAL, every field always")
local F, fields = {}, {}
local function field(kind, name, ...)
    F[name] = ProtoField[kind]("naive." .. name, name, ...)
    fields[#fields + 1] = F[name]
end

local TYPES = {[0x70] = "FRAME_LEADER", [0x71] = "FRAME_BLOCK"}
local CODECS = {[0] = "NONE", "LOSSLESS", "VISUALLY_LOSSLESS", "JPEG"}
local DIRECTIONS = {[0] = "TOP_DOWN", "BOTTOM_UP", "GLOBAL"}
local TAGS = {[0x0103] = "exposure_mode", [0x0201] = "white_balance", [0x0301] = "focus_position"}

field("uint8", "major", base.DEC, nil, 0xF0)
field("uint8", "rsp", base.DEC, nil, 0x08)
field("uint8", "spare2", base.DEC, nil, 0x04)
field("uint8", "more", base.DEC, nil, 0x02)
field("uint8", "spare0", base.DEC, nil, 0x01)
field("uint8", "type", base.DEC, TYPES)
field("uint8", "vc", base.DEC, nil, 0xF0)
field("uint8", "instance", base.DEC, nil, 0x0F)
field("uint8", "status")
field("uint16", "length")
field("uint16", "txn")
field("uint64", "t_ns")
field("uint32", "crc", base.HEX)

field("uint64", "frame")
field("uint32", "request")
field("uint8", "stream")
field("uint8", "step")
field("uint16", "kind", base.HEX)
field("bool", "still", 16, nil, 0x0001)
field("bool", "stored", 16, nil, 0x0002)
field("uint32", "pixel_format", base.HEX)
field("uint8", "codec", base.DEC, CODECS)
field("uint16", "width")
field("uint16", "height")
field("uint16", "x")
field("uint16", "y")
field("uint64", "t_first_row")
field("uint32", "line_period")
field("uint8", "row_direction", base.DEC, DIRECTIONS)
field("uint32", "blocks")
field("uint16", "block_bytes")
field("uint64", "size")
field("uint8", "exposures_count")
field("none", "exposures")
field("uint64", "time")
field("uint16", "gain")
field("none", "settings")
field("uint16", "tag", base.DEC, TAGS)
field("uint16", "tlv_length")
field("uint8", "exposure_mode")
field("uint16", "white_balance")
field("int32", "focus_position")
field("bytes", "value")

field("uint32", "frame_lo")
field("uint32", "block")
field("uint16", "line0")
field("uint16", "lines")
field("uint8", "roi")
field("uint8", "flags", base.HEX)
field("bool", "last", 8, nil, 0x01)
field("bool", "resent", 8, nil, 0x02)
field("uint16", "spare")
field("bytes", "data")

naive.fields = fields

local function leader(tvb, tree, stop)
    tree:add_le(F.frame, tvb(16, 8))
    tree:add_le(F.request, tvb(24, 4))
    tree:add_le(F.stream, tvb(28, 1))
    tree:add_le(F.step, tvb(29, 1))
    local kind = tree:add_le(F.kind, tvb(30, 2))
    kind:add_le(F.still, tvb(30, 2))
    kind:add_le(F.stored, tvb(30, 2))
    tree:add_le(F.pixel_format, tvb(32, 4))
    tree:add_le(F.codec, tvb(36, 1))
    tree:add_le(F.width, tvb(37, 2))
    tree:add_le(F.height, tvb(39, 2))
    tree:add_le(F.x, tvb(41, 2))
    tree:add_le(F.y, tvb(43, 2))
    tree:add_le(F.t_first_row, tvb(45, 8))
    tree:add_le(F.line_period, tvb(53, 4))
    tree:add_le(F.row_direction, tvb(57, 1))
    tree:add_le(F.blocks, tvb(58, 4))
    tree:add_le(F.block_bytes, tvb(62, 2))
    tree:add_le(F.size, tvb(64, 8))
    local count = tvb(72, 1):uint()
    tree:add_le(F.exposures_count, tvb(72, 1))
    local at = 73
    for _ = 1, count do
        local row = tree:add(F.exposures, tvb(at, 10))
        row:add_le(F.time, tvb(at, 8))
        row:add_le(F.gain, tvb(at + 8, 2))
        at = at + 10
    end
    while at < stop do
        local tag, length = tvb(at, 2):le_uint(), tvb(at + 2, 2):le_uint()
        local item = tree:add(F.settings, tvb(at, 4 + length))
        item:add_le(F.tag, tvb(at, 2))
        item:add_le(F.tlv_length, tvb(at + 2, 2))
        item:add_le(F[TAGS[tag]] or F.value, tvb(at + 4, length))
        at = at + 4 + length
    end
end

local function block(tvb, tree, stop)
    tree:add_le(F.frame_lo, tvb(16, 4))
    tree:add_le(F.block, tvb(20, 4))
    tree:add_le(F.line0, tvb(24, 2))
    tree:add_le(F.lines, tvb(26, 2))
    tree:add_le(F.roi, tvb(28, 1))
    local flags = tree:add_le(F.flags, tvb(29, 1))
    flags:add_le(F.last, tvb(29, 1))
    flags:add_le(F.resent, tvb(29, 1))
    tree:add_le(F.spare, tvb(30, 2))
    tree:add(F.data, tvb(32, stop - 32))
end

function naive.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "OPAL"
    local t = tree:add(naive, tvb())
    t:add_le(F.major, tvb(0, 1))
    t:add_le(F.rsp, tvb(0, 1))
    t:add_le(F.spare2, tvb(0, 1))
    t:add_le(F.more, tvb(0, 1))
    t:add_le(F.spare0, tvb(0, 1))
    t:add_le(F.type, tvb(1, 1))
    t:add_le(F.vc, tvb(2, 1))
    t:add_le(F.instance, tvb(2, 1))
    t:add_le(F.status, tvb(3, 1))
    t:add_le(F.length, tvb(4, 2))
    t:add_le(F.txn, tvb(6, 2))
    t:add_le(F.t_ns, tvb(8, 8))
    local code, stop = tvb(1, 1):uint(), 16 + tvb(4, 2):le_uint()
    pinfo.cols.info = TYPES[code]
    if code == 0x70 then leader(tvb, t, stop) else block(tvb, t, stop) end
    t:add_le(F.crc, tvb(stop, 4))
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, naive)
