
-- ── Statistics ───────────────────────────────────────────────────────────────────────────────────────
-- `tshark -z opal`, or Statistics > OPAL: messages, bytes, response times and faults.

local function statistics(show)
    local tap = Listener.new("frame")
    RECENT = {}
    local rows = {}
    function tap.reset() rows = {} end
    function tap.packet()
        for _, p in ipairs(RECENT) do
            local name = p.label:match("^[^#%[]*"):gsub("%s+$", "")
            local row = rows[name] or {name = name, count = 0, bytes = 0, answers = 0, total = 0, most = 0, faults = 0}
            rows[name] = row
            row.count, row.bytes = row.count + 1, row.bytes + p.size
            if p.took then
                row.answers, row.total = row.answers + 1, row.total + p.took
                row.most = math.max(row.most, p.took)
            end
            if p.fault then row.faults = row.faults + 1 end
        end
        RECENT = {} -- the next frame may be of another protocol
    end
    function tap.draw()
        local names = {}
        for name in pairs(rows) do names[#names + 1] = name end
        table.sort(names)
        local lines = {string.format("%-44s %9s %13s %7s %12s %12s", "OPAL", "packets", "bytes", "faults",
            "mean answer", "worst answer")}
        for _, name in ipairs(names) do
            local row = rows[name]
            local mean, most = "", ""
            if row.answers > 0 then
                mean = string.format("%.3f ms", row.total / row.answers * 1e3)
                most = string.format("%.3f ms", row.most * 1e3)
            end
            lines[#lines + 1] = string.format("%-44s %9d %13d %7d %12s %12s", name, row.count, row.bytes, row.faults,
                mean, most)
        end
        show(table.concat(lines, "\n") .. "\n", tap)
    end
    return tap
end

if register_stat_cmd_arg then
    register_stat_cmd_arg("opal", function() statistics(function(text) io.write(text) end) end)
end
if GUI then
    register_menu("OPAL", function()
        local window = TextWindow.new("OPAL")
        local tap = statistics(function(text) window:set(text) end)
        window:set_atclose(function() tap:remove() end)
        retap_packets()
    end, MENU_STAT_UNSORTED)
end

-- ── The protocol ─────────────────────────────────────────────────────────────────────────────────────

opal.fields, opal.experts = ALL, EXPERTS
opal.prefs.crc_limit = Pref.uint("Check the CRC of packets up to (bytes)", 1024,
    "A longer packet's CRC is checked where its details are shown or its faults are asked for")
opal.prefs.keep_limit = Pref.uint("Keep reassembled packets up to (MiB)", 256,
    "Of a recording of FLITs: packets beyond that are shown in the first pass alone")

local function preferences() crc_limit, keep_limit = opal.prefs.crc_limit, opal.prefs.keep_limit end

opal.prefs_changed = preferences

function opal.init()
    preferences()
    passes = {}
    open, partner = {[0] = {}, {}, {}}, {}
    ends, results, ends_in, kept = {}, {}, {}, 0
    frames, part_of = {}, {}
end

-- Lua collects garbage when what is in use has doubled, and looks at all that is in use to do so: the nodes of every
-- message, again and again. Here it waits until there are 64 MiB of garbage, as far as the version allows.
local GARBAGE = 65536 -- KiB
local PAUSE = INTEGERS and 1000 or 100000 -- per cent
local until_next, before = 0, math.huge

local function collect_later()
    until_next = until_next - 1
    if until_next > 0 then return end
    local now = collectgarbage("count")
    if now < before then -- it has just been collected, and nearly all there is is in use
        collectgarbage("setpause", math.min(PAUSE, math.floor(100 + 100 * GARBAGE / now)))
    end
    until_next, before = 256, now
end

local function begin(pinfo, tree)
    collect_later()
    begin_frame(pinfo, tree)
    if RECENT then RECENT = {} end
    columns = pass.listed and pinfo.cols or nil
    if columns then columns.protocol = "OPAL" end
end

function opal.dissector(tvb, pinfo, tree)
    begin(pinfo, tree)
    local label = packet(tvb, pinfo, tree, frame_number * PER_FRAME)
    if columns then columns.info = label end
    return tvb:len()
end

-- What lanes carry: FLITs on the laser, records on the sideband.
local lanes = Proto("opal_lane", "OPAL lane")

function lanes.dissector(tvb, pinfo, tree)
    begin(pinfo, tree)
    local s = tvb:raw()
    local label = (is_sideband(s) and sideband or flit)(tvb, s, pinfo, tree)
    if columns then columns.info = label end
    return tvb:len()
end

set_plugin_info({
    version = VERSION, description = "OPAL " .. VERSION .. ", catalogue " .. FINGERPRINT:sub(1, 12), author = "opalink",
    repository = "",
})
local links = DissectorTable.get("wtap_encap")
links:add(wtap.USER0, opal)
links:add(wtap.USER1, lanes)
