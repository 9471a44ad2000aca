
-- ── Numbers of fixed place ───────────────────────────────────────────────────────────────────────────
-- What is wanted of neighbouring parts of fixed size comes from one `unpack`, in a function made for it.

local HALVES = {["<E"] = "I4I4", ["<e"] = "I4i4"}

local function bits_of(f, word)
    if not f.divisor then return word end
    if INTEGERS then return string.format("%s // %d %% %d", word, f.divisor, f.modulus) end
    return string.format("(%s %% %d - %s %% %d) / %d", word, f.divisor * f.modulus, word, f.divisor, f.divisor)
end

-- The text of a statement that reads the words of the fields that are `chosen`, and a list of these with an expression
-- for each. A number of 64 bits is read as two halves, of which `wide` makes an expression.
local function reading(nodes, chosen, wide)
    local format, words, found, gap = {"<"}, {}, {}, 0
    for i, n in ipairs(nodes) do
        if not FIXED[n.kind] then break end
        local halves, word, before = HALVES[n.format], "w" .. i, #found
        for _, f in ipairs(n.fields or {n}) do
            if chosen(f) then
                found[#found + 1] = {node = f, text = halves and wide:format(word, word) or bits_of(f, word)}
            end
        end
        if #found > before then
            format[#format + 1] = ("x"):rep(gap) .. (halves or n.format:sub(2))
            words[#words + 1], gap = halves and word .. ", " .. word .. "h" or word, 0
        else
            gap = gap + n.size
        end
    end
    return string.format("local %s = unpack(%q, s, at + 1)", table.concat(words, ", "), table.concat(format)), found
end

local function function_of(head, result)
    return load(string.format("local unpack = ...\nreturn function(s, at) %s return %s end", head, result))(unpack)
end

-- A function of a string and of where the layout begins there that gives the fields of these names, in that order; of
-- 64 bits the low half and the high one.
local function reader(nodes, names)
    local places, texts = {}, {}
    for i, name in ipairs(names) do places[name] = i end
    local head, found = reading(nodes, function(f) return places[f.name] end, "%s, %sh")
    for _, f in ipairs(found) do texts[places[f.node.name]] = f.text end
    assert(#texts == #names, "a field that is not where it was looked for")
    return function_of(head, table.concat(texts, ", "))
end

local function never() return false end

-- A function that says whether the numbers of a run are what they must be; false where they may be anything. One of 64
-- bits is compared as the nearest that Lua 5.2 can hold, which is on the same side of any bound that is exact there.
local function checker(run)
    local head, found = reading(run.nodes, function(f) return f.checked end, "(%s + %sh * 4294967296.0)")
    local tests = {}
    for _, f in ipairs(found) do
        local n = f.node
        for _, test in ipairs({{"==", n.const}, {">=", n.const == nil and n.lo}, {"<=", n.const == nil and n.hi}}) do
            local sign, bound = test[1], test[2]
            if bound and (type(bound) ~= "number" or n.size == 8 and n.const) then return never end -- field by field
            if bound then tests[#tests + 1] = string.format("%s %s %.17g", f.text, sign, bound) end
        end
    end
    return #tests > 0 and function_of(head, table.concat(tests, " and "))
end
