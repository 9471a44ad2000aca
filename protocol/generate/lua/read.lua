
-- ── Checksums ────────────────────────────────────────────────────────────────────────────────────────

-- Lua 5.2 has a library for the bits of numbers, later versions have operators, which 5.2 cannot even read.
local bxor = bit32 and bit32.bxor or load([[return function(a, b, ...)
    local x = a ~ b
    for i = 1, select("#", ...) do x = x ~ (select(i, ...)) end
    return x
end]])()
local mix = bit32 and bit32.bxor or load([[return function(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    return a ~ b ~ c ~ d ~ e ~ f ~ g ~ h ~ i ~ j ~ k ~ l ~ m ~ n ~ o ~ p
end]])()
local unpack, byte = Struct.unpack, string.byte

-- Reflected, 32 bits: sixteen bytes a step. TABLES[n][b] is what the byte b has become n bytes of zeros later.
local function reflected(crc)
    local poly, bits = 0, crc.poly
    for _ = 1, crc.width do
        poly, bits = poly * 2 + bits % 2, math.floor(bits / 2)
    end
    local T = {}
    for i = 0, 255 do
        local r = i
        for _ = 1, 8 do
            local odd = r % 2
            r = (r - odd) / 2
            if odd == 1 then r = bxor(r, poly) end
        end
        T[i] = r
    end
    local tables = {[0] = T}
    for n = 1, 15 do
        tables[n] = {}
        for i = 0, 255 do
            local r = tables[n - 1][i]
            local index = r % 256
            tables[n][i] = bxor(T[index], (r - index) / 256)
        end
    end
    local A, B, C, D, G, H, I, J = tables[15], tables[14], tables[13], tables[12], tables[11], tables[10], tables[9],
        tables[8]
    local K, M, N, O, P, Q, R, S = tables[7], tables[6], tables[5], tables[4], tables[3], tables[2], tables[1], T
    return function(s, stop)
        local r, at, last = crc.init, 1, stop - 15
        while at <= last do
            local word, e, f, g, h, i, j, k, l, m, n, o, p = unpack("<I4BBBBBBBBBBBB", s, at)
            local x = bxor(r, word)
            local a = x % 256
            x = (x - a) / 256
            local b = x % 256
            x = (x - b) / 256
            local c = x % 256
            r = mix(A[a], B[b], C[c], D[(x - c) / 256], G[e], H[f], I[g], J[h], K[i], M[j], N[k], O[l], P[m], Q[n], R[o],
                S[p])
            at = at + 16
        end
        for i = at, stop do
            local x = bxor(r, byte(s, i))
            local index = x % 256
            r = bxor(T[index], (x - index) / 256)
        end
        return bxor(r, crc.xorout)
    end
end

-- Not reflected: a byte a step.
local function straight(crc)
    local top, T = 2 ^ (crc.width - 8), {}
    for i = 0, 255 do
        local r = i * top
        for _ = 1, 8 do
            local carry = r >= 128 * top
            r = r * 2 % (256 * top)
            if carry then r = bxor(r, crc.poly) end
        end
        T[i] = r
    end
    return function(s, stop)
        local r = crc.init
        for i = 1, stop do
            local index = (r - r % top) / top
            r = bxor(T[bxor(index, byte(s, i))], r % top * 256)
        end
        return bxor(r, crc.xorout)
    end
end

local SUM = {} -- by name: the check over the first bytes of a string
for name, crc in pairs(CRC) do
    assert(crc.refin == crc.refout and (not crc.refin or crc.width == 32), "a CRC of another kind")
    SUM[name] = crc.refin and reflected(crc) or straight(crc)
end

-- ── Faults ───────────────────────────────────────────────────────────────────────────────────────────
-- The first violation in wire order, by its class: the same classes, in the same order, as of every other codec of
-- this catalogue. A path grows from the inside out.

local function fault(class, path, at, detail) return {class = class, path = path, at = at, detail = detail} end

local function under(found, parent)
    if found.path == "" then found.path = parent else found.path = parent .. "." .. found.path end
    return found
end

local function short(name, at, stop, need)
    local missing = need - math.max(0, stop - at)
    return fault("short", name, at, string.format("%d of %d bytes are missing", missing, need))
end

local function long(at, stop) return fault("long", "", at, string.format("%d bytes are left over", stop - at)) end

local function cap(n, at, count)
    return fault("cap", n.name, at, string.format("has %d elements, must have %d to %d", count, n.lo, n.hi))
end

-- What is wrong with a number, if anything.
local function judge(n, at, value)
    if n.const ~= nil and value ~= n.const then
        return fault("const", n.name, at, "is " .. tostring(value) .. ", must be " .. tostring(n.const))
    end
    if n.lo and value < n.lo then
        return fault("range", n.name, at, "is " .. tostring(value) .. ", must be at least " .. tostring(n.lo))
    end
    if n.hi and value > n.hi then
        return fault("range", n.name, at, "is " .. tostring(value) .. ", must be at most " .. tostring(n.hi))
    end
end

-- ── Reading ──────────────────────────────────────────────────────────────────────────────────────────
-- READ[kind](n, c, at, stop, tree) reads one node of the bytes `c.s`, shows it in the tree if there is one, and gives
-- where it ends, or nothing and the fault. `c.all` is set where everything is shown.

local READ = {}

local function walk(nodes, c, at, stop, tree)
    local steps = nodes.steps
    for i = 1, #steps do
        local n = steps[i]
        local found
        at, found = READ[n.kind](n, c, at, stop, tree)
        if not at then return nil, found end
    end
    return at
end

local function show_number(n, c, at, tree)
    local item = tree:add_le(n.field, c.tvb(at, n.size))
    if n.flags then
        for _, f in ipairs(n.flags) do item:add(f.field, c.tvb(at + f.at, 1)) end
    end
    if c.all and n.scale then
        local value = unpack(n.format, c.s, at + 1)
        if type(value) ~= "number" then value = value:tonumber() end
        local quantity = string.format("%.10g", value * n.scale[1] / n.scale[2])
        item:append_text(" (" .. quantity .. (n.unit and " " .. n.unit or "") .. ")")
    elseif c.all and n.unit and n.size == 8 then
        item:append_text(" " .. n.unit)
    end
end

function READ.number(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    if tree and (c.all or n.asked) then show_number(n, c, at, tree) end
    if n.checked then
        local found = judge(n, at, (unpack(n.format, c.s, at + 1)))
        if found then return nil, found end
    end
    return after
end

function READ.bits(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    local shown = tree and (c.all or n.asked)
    if shown or n.fields.checked then
        local word = unpack(n.format, c.s, at + 1)
        for _, f in ipairs(n.fields) do
            if shown and (c.all or f.asked) then show_number(f, c, at, tree) end
            local found = f.checked and judge(f, at, math.floor(word / f.divisor) % f.modulus)
            if found then return nil, found end
        end
    end
    return after
end

function READ.octets(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    if tree and (c.all or n.asked) then tree:add(n.field, c.tvb(at, n.size)) end
    return after
end

local function outside(n, c, at)
    local value
    if n.byte then
        value = byte(c.s, at + n.at)
    elseif n.wide then
        local low, high = unpack(n.format, c.s, at + n.at)
        value = low + high * 4294967296
    elseif n.format then
        value = unpack(n.format, c.s, at + n.at)
    else
        return judge(n.node, at, (unpack(n.node.format, c.s, at + n.at + 1)))
    end
    if n.divisor then value = math.floor(value / n.divisor) % n.modulus end
    return value < n.lo or value > n.hi
end

-- One by one where all is shown, or something is wrong that has to be named.
local function singly(n, c, at, stop, tree)
    for i = 1, #n.nodes do
        local found
        local one = n.nodes[i]
        at, found = READ[one.kind](one, c, at, stop, tree)
        if not at then return nil, found end
    end
    return at
end

function READ.run(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop or tree and c.all then return singly(n, c, at, stop, tree) end
    for i = 1, #n.compared do
        if outside(n.compared[i], c, at) then return singly(n, c, at, stop, tree) end
    end
    if tree and n.asked then
        for _, i in ipairs(n.asked) do
            local one = n.nodes[i]
            READ[one.kind](one, c, at + n.places[i], stop, tree)
        end
    end
    return after
end

-- How many bytes or rows follow, and where they begin.
local function counted(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    local count = unpack(n.format, c.s, at + 1)
    if tree and (c.all or n.asked) then tree:add_le(n.count, c.tvb(at, n.size)) end
    if count < n.lo or count > n.hi then return nil, cap(n, at, count) end
    return count, after
end

function READ.blob(n, c, at, stop, tree)
    local count, begin = counted(n, c, at, stop, tree)
    if not count then return nil, begin end
    if begin + count > stop then return nil, short(n.name, begin, stop, count) end
    if tree and (c.all or n.asked) then
        local range = c.tvb(begin, count)
        if n.text then tree:add_packet_field(n.field, range, ENC_UTF_8) else tree:add(n.field, range) end
    end
    return begin + count
end

function READ.raw(n, c, at, stop, tree)
    if stop - at < n.lo or stop - at > n.hi then return nil, cap(n, at, stop - at) end
    if tree and (c.all or n.asked) then tree:add(n.field, c.tvb(at, stop - at)) end
    return stop
end

function READ.rows(n, c, at, stop, tree)
    local count, begin = counted(n, c, at, stop, tree)
    if not count then return nil, begin end
    local shown = tree and (c.all or n.asked)
    at = begin
    for i = 0, count - 1 do
        local name = string.format("%s[%d]", n.name, i)
        local item = shown and tree:add(n.field, c.tvb(at, stop - at))
        if item then item:set_text(name) end
        local after, found = walk(n.nodes, c, at, stop, item)
        if not after then return nil, under(found, name) end
        if item then item:set_len(after - at) end
        at = after
    end
    return at
end

local function known_tlv(t, c, at, stop, tree)
    local after, found = walk(t.nodes, c, at, stop, tree)
    if after and after < stop then return nil, long(after, stop) end
    return after, found
end

function READ.tlvs(n, c, at, stop, tree)
    local shown = tree and (c.all or n.asked)
    local i = 0
    while stop - at >= 4 do
        local name = string.format("%s[%d]", n.name, i)
        local tag, length = unpack("<I2I2", c.s, at + 1)
        local begin = at + 4
        local t = n.known[tag]
        local item
        if shown then
            item = tree:add(n.field, c.tvb(at, math.min(stop - at, 4 + length)))
            item:set_text(name .. ": " .. (t and t.name or "unknown"))
            item:add_le(n.tag, c.tvb(at, 2))
            item:add_le(n.length, c.tvb(at + 2, 2))
        end
        if begin + length > stop then return nil, short(name, begin, stop, length) end
        if t then
            local after, found = known_tlv(t, c, begin, begin + length, item)
            if not after then return nil, under(found, name) end
        elseif item then
            item:add(n.value, c.tvb(begin, length))
        end
        at, i = begin + length, i + 1
    end
    if at < stop then return nil, short(string.format("%s[%d]", n.name, i), at, stop, 4) end
    return at
end
