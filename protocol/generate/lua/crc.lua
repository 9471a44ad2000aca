
-- ── Checksums ────────────────────────────────────────────────────────────────────────────────────────

local unpack, byte = Struct.unpack, string.byte
local INTEGERS = math.type ~= nil -- Lua 5.3 and later: whole numbers are a kind of their own, with operators for bits
local SUM = {} -- by name: the check over the first bytes of a string

do
    -- Lua 5.2 has a library for the bits of numbers and cannot even read the operators of later versions.
    local bxor = INTEGERS and load("return function(a, b) return a ~ b end")() or bit32.bxor

    local function xor_of(terms)
        return INTEGERS and table.concat(terms, " ~ ") or "bxor(" .. table.concat(terms, ", ") .. ")"
    end

    local STEP = 32 -- bytes

    -- The text of what reads bytes into b1 to bn, and of each byte's share n bytes after the first: Tn[b] is what the
    -- byte b has become after n bytes of zeros.
    local function shares(n)
        local names, terms = {}, {}
        for i = 1, n do
            names[i], terms[i] = "b" .. i, string.format("T%d[b%d]", n - i, i)
        end
        return table.concat(names, ", "), terms
    end

    -- Shares do not depend on each other, so that many bytes make one step; a first, short one leaves whole ones.
    local function reflected(crc)
        local poly, bits = 0, crc.poly
        for _ = 1, crc.width do
            poly, bits = poly * 2 + bits % 2, math.floor(bits / 2)
        end
        local T, tables, begin = {}, {}, {}
        for i = 0, 255 do
            local r = i
            for _ = 1, 8 do
                local odd = r % 2
                r = (r - odd) / 2
                if odd == 1 then r = bxor(r, poly) end
            end
            T[i] = r
        end
        local function after(r)
            local index = r % 256
            return bxor(T[index], (r - index) / 256)
        end
        local names, values = {}, {}
        local table_, nothing = T, crc.init
        for n = 0, STEP - 1 do
            names[n + 1], values[n + 1], tables[n], begin[n] = "T" .. n, "tables[" .. n .. "]", table_, nothing
            local shifted = {}
            for i = 0, 255 do shifted[i] = after(table_[i]) end
            table_, nothing = shifted, after(nothing)
        end
        local prelude = "local bxor, byte, tables = ...\nlocal " .. table.concat(names, ", ") .. " = "
            .. table.concat(values, ", ") .. "\n"
        local function compile(text) return load(prelude .. text)(bxor, byte, tables) end

        local bytes, terms = shares(STEP)
        for i = 1, 4 do terms[STEP + i] = string.format("T%d[r%d]", STEP - i, i) end
        local whole = compile(string.format([[return function(s, r, at, last)
            while at <= last do
                local %s = byte(s, at, at + %d)
                local r1 = r %% 256
                r = (r - r1) / 256
                local r2 = r %% 256
                r = (r - r2) / 256
                local r3 = r %% 256
                local r4 = (r - r3) / 256
                r = %s
                at = at + %d
            end
            return r
        end]], bytes, STEP - 1, xor_of(terms), STEP))
        local short = {[0] = function() return crc.init end}
        return function(s, stop)
            local n = stop % STEP
            if not short[n] then
                local some, found = shares(n)
                found[n + 1] = string.format("%d", begin[n])
                short[n] = compile(string.format("return function(s) local %s = byte(s, 1, %d) return %s end", some, n,
                    xor_of(found)))
            end
            return bxor(whole(s, short[n](s), n + 1, stop), crc.xorout)
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

    for name, crc in pairs(CRC) do
        assert(crc.refin == crc.refout and (not crc.refin or crc.width == 32), "a CRC of another kind")
        SUM[name] = crc.refin and reflected(crc) or straight(crc)
    end
end
