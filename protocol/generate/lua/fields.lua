
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

-- Neighbours of fixed size as one step: of those that nobody looks at, only bounds are compared.
local FIXED = {number = true, bits = true, octets = true}

local function steps_of(nodes)
    local steps, run = {}, nil
    for _, n in ipairs(nodes) do
        if FIXED[n.kind] then
            if not run then
                run = {kind = "run", nodes = {}, places = {}, size = 0}
                steps[#steps + 1] = run
            end
            run.nodes[#run.nodes + 1], run.places[#run.places + 1] = n, run.size
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

-- Says of a node whether it is asked for, alone or in something that is, and whether it is itself: `own`.
local function asked_of(tree, n)
    local own, inner = n.field ~= nil and tree:referenced(n.field), false
    for _, field in pairs({n.tag, n.length, n.value}) do own = own or tree:referenced(field) end
    for _, part in ipairs(n.fields or n.flags or {}) do inner = asked_of(tree, part) or inner end
    n.own, n.asked = own, own or inner or n.count ~= nil and tree:referenced(n.count)
    return n.asked
end

-- The same of nodes and of all that is in them.
local function mark(tree, nodes)
    local found = asked_of(tree, nodes)
    for _, n in ipairs(nodes) do
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
local OPAL -- the handle of the dissector, which is referenced wherever one of its fields is
local passes -- by whether packets are visited again: what is known of the pass
local pass -- the present one
local frame_number -- of the present one

-- What is looked at stays the same over a pass of tshark, and is found out once; in Wireshark it changes all the time.
-- `all` says that everything is shown, `asked` that any field may be asked for, `marks` by nodes whether one of them
-- is, `listed` that somebody reads the columns: in tshark, nobody does who only counts.
local function begin_frame(pinfo, tree)
    local visited = pinfo.visited
    frame_number, pass = pinfo.number, passes[visited]
    if pass and not GUI then return end
    OPAL = OPAL or Dissector.get("opal")
    local all, listed = tree.visible, GUI or tostring(pinfo.cols.info) ~= "(info)"
    pass = {visited = visited, all = all, asked = all or tree:referenced(OPAL), marks = {}, listed = listed}
    passes[visited] = pass
end

-- What dissection of `tvb` carries along: `s` are its bytes, or as many of its first as it takes so far. Where nothing
-- is asked for, it has no item in the tree.
local function context(tvb, s, tree, label)
    if pass.asked then tree = label and tree:add(opal, tvb(), label) or tree:add(opal, tvb()) end
    return {s = s, tvb = tvb, tree = tree, size = tvb:len()}
end

local function whole(c)
    if #c.s < c.size then c.s = c.tvb:raw() end
    return c.s
end

-- Whether any of these nodes is looked at.
local function wanted(c, nodes)
    if not pass.asked or pass.all then return pass.all end
    local found = pass.marks[nodes]
    if found == nil then
        found = mark(c.tree, nodes)
        pass.marks[nodes] = found
    end
    return found
end

-- Where the parts of a node are shown: in an item of its own, or where nobody asks for that in the tree as it is. Such
-- a tree is searched, and never looked at: it needs no branches.
local function branch(c, n, tree, at, stop)
    if not (pass.all or n.own) then return tree end
    local item = tree:add(n.field, c.tvb(at, stop - at))
    return item, item
end
