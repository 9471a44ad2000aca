
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
-- where it ends, or nothing and the fault. `pass.all` is set where everything is shown.

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
    if pass.all and n.scale then
        local value = unpack(n.format, c.s, at + 1)
        if type(value) ~= "number" then value = value:tonumber() end
        local quantity = string.format("%.10g", value * n.scale[1] / n.scale[2])
        item:append_text(" (" .. quantity .. (n.unit and " " .. n.unit or "") .. ")")
    elseif pass.all and n.unit and n.size == 8 then
        item:append_text(" " .. n.unit)
    end
end

function READ.number(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    if tree and (pass.all or n.asked) then show_number(n, c, at, tree) end
    if n.checked then
        local found = judge(n, at, (unpack(n.format, c.s, at + 1)))
        if found then return nil, found end
    end
    return after
end

function READ.bits(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    local shown = tree and (pass.all or n.asked)
    if shown or n.fields.checked then
        local word = unpack(n.format, c.s, at + 1)
        for _, f in ipairs(n.fields) do
            if shown and (pass.all or f.asked) then show_number(f, c, at, tree) end
            local found = f.checked and judge(f, at, math.floor(word / f.divisor) % f.modulus)
            if found then return nil, found end
        end
    end
    return after
end

function READ.octets(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    if tree and (pass.all or n.asked) then tree:add(n.field, c.tvb(at, n.size)) end
    return after
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
    local after, sound = at + n.size, n.sound
    if sound == nil then
        sound = checker(n)
        n.sound = sound
    end
    if after > stop or tree and pass.all or sound and not sound(c.s, at) then return singly(n, c, at, stop, tree) end
    if tree then
        local asked = n.asked
        for i = 1, #asked do
            local place = asked[i]
            local one = n.nodes[place]
            READ[one.kind](one, c, at + n.places[place], stop, tree)
        end
    end
    return after
end

-- How many bytes or rows follow, and where they begin.
local function counted(n, c, at, stop, tree)
    local after = at + n.size
    if after > stop then return nil, short(n.name, at, stop, n.size) end
    local count = unpack(n.format, c.s, at + 1)
    if tree and (pass.all or n.asked) then tree:add_le(n.count, c.tvb(at, n.size)) end
    if count < n.lo or count > n.hi then return nil, cap(n, at, count) end
    return count, after
end

function READ.blob(n, c, at, stop, tree)
    local count, begin = counted(n, c, at, stop, tree)
    if not count then return nil, begin end
    if begin + count > stop then return nil, short(n.name, begin, stop, count) end
    if tree and (pass.all or n.asked) then
        local range = c.tvb(begin, count)
        if n.text then tree:add_packet_field(n.field, range, ENC_UTF_8) else tree:add(n.field, range) end
    end
    return begin + count
end

function READ.raw(n, c, at, stop, tree)
    if stop - at < n.lo or stop - at > n.hi then return nil, cap(n, at, stop - at) end
    if tree and (pass.all or n.asked) then tree:add(n.field, c.tvb(at, stop - at)) end
    return stop
end

local function nth(n, i) return string.format("%s[%d]", n.name, i) end

function READ.rows(n, c, at, stop, tree)
    local count, begin = counted(n, c, at, stop, tree)
    if not count then return nil, begin end
    local shown = tree and (pass.all or n.asked)
    at = begin
    for i = 0, count - 1 do
        local inner, item
        if shown then inner, item = branch(c, n, tree, at, stop) end
        if item then item:set_text(nth(n, i)) end
        local after, found = walk(n.nodes, c, at, stop, inner)
        if not after then return nil, under(found, nth(n, i)) end
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
    local shown = tree and (pass.all or n.asked)
    local i = 0
    while stop - at >= 4 do
        local tag, length = unpack("<I2I2", c.s, at + 1)
        local begin = at + 4
        local t = n.known[tag]
        local inner, item
        if shown then inner, item = branch(c, n, tree, at, math.min(stop, begin + length)) end
        if item then
            item:set_text(nth(n, i) .. ": " .. (t and t.name or "unknown"))
            item:add_le(n.tag, c.tvb(at, 2))
            item:add_le(n.length, c.tvb(at + 2, 2))
        end
        if begin + length > stop then return nil, short(nth(n, i), begin, stop, length) end
        if t then
            local after, found = known_tlv(t, c, begin, begin + length, inner)
            if not after then return nil, under(found, nth(n, i)) end
        elseif item then
            item:add(n.value, c.tvb(begin, length))
        end
        at, i = begin + length, i + 1
    end
    if at < stop then return nil, short(nth(n, i), at, stop, 4) end
    return at
end
