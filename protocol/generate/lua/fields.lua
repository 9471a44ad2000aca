
-- ── Fields ───────────────────────────────────────────────────────────────────────────────────────────
-- Every place where a part can stand becomes a node with a field of its own, called by its path.

local opal = Proto("opal", "Optical Phone-Accessory Link")
local ALL = {} -- every field, in order

local function register(field)
    ALL[#ALL + 1] = field
    return field
end

local function integer(name, n, size, mask)
    local make = ProtoField[string.format("%s%d", n.signed and "int" or "uint", 8 * size)]
    local unit = n.unit and not n.scale and not n.choices and size < 8
    local display = n.flags and base.HEX or unit and base.UNIT_STRING or base.DEC
    local strings = n.choices and E[n.choices] or unit and {" " .. n.unit} or nil
    return register(make("opal." .. name, n.name, display, strings, mask, n.doc))
end

-- The named bits of a number, each with the byte in which it is.
local function flag_nodes(n, name, shift)
    local out = {}
    for _, flag in ipairs(FLAGS[n.flags]) do
        local bit, label, doc = flag[1], flag[2], flag[3]
        if bit < n.bits then
            local place = bit + shift
            local mask = 2 ^ (place % 8)
            local field = ProtoField.bool("opal." .. name .. "." .. label, label, 8, nil, mask, doc)
            out[#out + 1] = {field = register(field), at = math.floor(place / 8)}
        end
    end
    return out
end

local WORDS = {"<I1", "<I2", "<I3", "<I4", [8] = "<E"}
local SIGNED = {"<i1", "<i2", "<i3", "<i4", [8] = "<e"}

local function number_node(n, path, size, shift, mask)
    local name = path .. n.name
    local node = {
        kind = "number", name = n.name, size = size, const = n.const, lo = n.lo, hi = n.hi, scale = n.scale,
        unit = n.unit, format = (n.signed and SIGNED or WORDS)[size], field = integer(name, n, size, mask),
    }
    node.checked = n.const ~= nil or n.lo ~= nil or n.hi ~= nil
    if n.flags then node.flags = flag_nodes(n, name, shift or 0) end
    return node
end

local nodes_of

local function count_field(p, path)
    return integer(path .. p.name .. "_count", {name = p.name .. "_count", doc = "How many."}, p.count)
end

local NODE = {}

function NODE.number(p, path) return number_node(p, path, p.size) end

function NODE.bits(p, path)
    local fields = {}
    for i, n in ipairs(p.fields) do
        local node = number_node(n, path, p.size, n.shift, (2 ^ n.bits - 1) * 2 ^ n.shift)
        node.divisor, node.modulus = 2 ^ n.shift, 2 ^ n.bits
        fields[i] = node
        fields.checked = fields.checked or node.checked
    end
    return {kind = "bits", name = p.fields[1].name, size = p.size, fields = fields, format = WORDS[p.size]}
end

function NODE.octets(p, path)
    local field = ProtoField.bytes("opal." .. path .. p.name, p.name, base.NONE, p.doc)
    return {kind = "octets", name = p.name, size = p.size, field = register(field)}
end

function NODE.blob(p, path)
    local count = count_field(p, path)
    local name = "opal." .. path .. p.name
    local field = p.text and ProtoField.string(name, p.name, base.UNICODE, p.doc)
        or ProtoField.bytes(name, p.name, base.NONE, p.doc)
    return {
        kind = "blob", name = p.name, size = p.count, lo = p.lo, hi = p.hi, format = WORDS[p.count], count = count,
        field = register(field), text = p.text,
    }
end

function NODE.raw(p, path)
    local field = ProtoField.bytes("opal." .. path .. p.name, p.name, base.NONE, p.doc)
    return {kind = "raw", name = p.name, size = 0, lo = p.lo, hi = p.hi, field = register(field)}
end

function NODE.rows(p, path)
    local count = count_field(p, path)
    local field = register(ProtoField.none("opal." .. path .. p.name, p.name, p.doc))
    return {
        kind = "rows", name = p.name, size = p.count, lo = p.lo, hi = p.hi, format = WORDS[p.count], count = count,
        field = field, nodes = nodes_of(LAYOUT[p.row], path .. p.name .. "."),
    }
end

function NODE.tlvs(p, path)
    local name = path .. p.name
    local known, tags = {}, {}
    local field = register(ProtoField.none("opal." .. name, p.name, p.doc))
    for tag, t in pairs(SPACE[p.space]) do
        tags[tag] = t.name
        known[tag] = {name = t.name, nodes = nodes_of(LAYOUT[t.layout], name .. "." .. t.name .. ".")}
    end
    return {
        kind = "tlvs", name = p.name, size = 0, known = known, field = field,
        tag = register(ProtoField.uint16("opal." .. name .. ".tag", "tag", base.DEC, tags, nil, "What it is.")),
        length = register(ProtoField.uint16("opal." .. name .. ".length", "length", base.UNIT_STRING, {" B"}, nil,
            "Bytes of its value.")),
        value = register(ProtoField.bytes("opal." .. name .. ".value", "value", base.NONE,
            "The value under a tag that is not known.")),
    }
end

-- What is compared of a number in a run, if anything: where it is, how it is read, its bounds. A number of 64 bits is
-- taken as the nearest that Lua 5.2 can hold, which is on the same side of any bound that is exact there.
local function comparison(n, at)
    local lo, hi = n.const or n.lo or -math.huge, n.const or n.hi or math.huge
    if type(lo) ~= "number" or type(hi) ~= "number" or n.size == 8 and n.const then return {node = n, at = at} end
    return {
        at = at + 1, lo = lo, hi = hi, divisor = n.divisor, modulus = n.modulus, byte = n.format == "<I1",
        format = n.size < 8 and n.format or n.format == "<e" and "<I4i4" or "<I4I4", wide = n.size == 8,
    }
end

local FIXED = {number = true, bits = true, octets = true}

-- Neighbours of fixed size as one step: of those that nobody looks at, only bounds are compared.
local function steps_of(nodes)
    local steps, run = {}, nil
    for _, n in ipairs(nodes) do
        if FIXED[n.kind] then
            if not run then
                run = {kind = "run", nodes = {}, places = {}, compared = {}, size = 0}
                steps[#steps + 1] = run
            end
            run.nodes[#run.nodes + 1], run.places[#run.places + 1] = n, run.size
            for _, f in ipairs(n.fields or {n}) do
                if f.checked then run.compared[#run.compared + 1] = comparison(f, run.size) end
            end
            run.size = run.size + n.size
        else
            steps[#steps + 1], run = n, nil
        end
    end
    return steps
end

function nodes_of(parts, path)
    local out = {}
    for i, p in ipairs(parts) do out[i] = NODE[p.kind](p, path) end
    out.steps = steps_of(out)
    return out
end

-- ── What is asked for ────────────────────────────────────────────────────────────────────────────────
-- A field is looked at where the packet's details are shown, or where a filter, a column or an option names it. What
-- nobody looks at is not put into the tree: that is most of the time that a dissector takes.

local function any(tree, fields)
    for i = 1, #fields do
        if tree:referenced(fields[i]) then return true end
    end
    return false
end

local function asked_of(tree, n)
    if n.kind == "bits" then
        for _, f in ipairs(n.fields) do
            f.asked = asked_of(tree, f)
            n.asked = n.asked or f.asked
        end
        return n.asked
    end
    n.asked = tree:referenced(n.field) or n.count and tree:referenced(n.count) or n.flags ~= nil and (function()
        for _, f in ipairs(n.flags) do if tree:referenced(f.field) then return true end end
        return false
    end)() or n.tag ~= nil and any(tree, {n.tag, n.length, n.value})
    return n.asked
end

local function mark(tree, nodes)
    local found = false
    for _, n in ipairs(nodes) do
        n.asked = false
        local here = asked_of(tree, n)
        if n.nodes and mark(tree, n.nodes) then here = true end
        for _, t in pairs(n.known or {}) do
            if mark(tree, t.nodes) then here = true end
        end
        n.asked = here
        found = found or here
    end
    for _, run in ipairs(nodes.steps or {}) do
        if run.kind == "run" then
            run.asked = {}
            for i, n in ipairs(run.nodes) do
                if n.asked then run.asked[#run.asked + 1] = i end
            end
        end
    end
    return found
end

local GUI = gui_enabled()
local marked = {} -- by nodes: for which pass they are marked, and whether any is asked for

-- Whether any of these nodes is looked at. What is asked for stays the same over a pass of tshark, and is found out
-- once; in Wireshark it changes with every filter.
local function wanted(tree, nodes, visited)
    if tree.visible then return true end
    local known = marked[nodes]
    if GUI or not known or known.visited ~= visited then
        known = {visited = visited, found = mark(tree, nodes) or nodes.field ~= nil and tree:referenced(nodes.field)}
        marked[nodes] = known
    end
    return known.found
end
