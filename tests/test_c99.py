"""The C codec: it compiles without a word, needs nothing, and does what every implementation must do.

Plan: compilers · what it needs · vectors · envelopes · values · room · profiles · the command.
"""

import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from opalink.protocol import codec
from opalink.protocol.errors import DecodeError, EncodeError, Fault
from opalink.protocol.generate import registry
from opalink.protocol.generate.c import HEADER, SOURCE, files, of_profile
from opalink.protocol.generate.c.envelope import crc_table
from opalink.protocol.generate.c.names import KEYWORDS, comment, literal, member
from opalink.protocol.generate.python.module import one_module
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.names import camel
from tests.differential import mutations, ours
from tests.differential.agreement import load, made
from tests.differential.c import Expected
from tests.differential.c_driver import CC, STRICT, WITHOUT, Driver, Said, build, cached, program, real, refused
from tests.differential.c_random import in_a_struct, inside_tlv, taken
from tests.differential.c_reflection import Target, flats, targets
from tests.differential.dice import Dice
from tests.differential.trial import changed, envelope_inputs
from tests.test_vectors import ALL

NM = shutil.which("nm")
PROFILES = [p.name for p in catalogue().profiles]

needs_compiler = pytest.mark.skipif(CC is None, reason=WITHOUT)

# ── Compilers ────────────────────────────────────────────────────────────────────────────────────────


def put(folder: Path, profile: str = "") -> Path:
    """Header and source in a folder; the source's path."""
    for name, data in files(catalogue(), profile).items():
        (folder / name).write_bytes(data)
    return folder / SOURCE


def said(*command: object) -> str:
    """What a tool says and with which result, nothing where it is content."""
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False)
    return f"{done.returncode}: {done.stdout}{done.stderr}"[:4000] if done.returncode or done.stderr else ""


def tool(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"))


BEYOND = {"gcc": ["-O1", "-Wshadow", "-Wcast-qual"], "clang": ["-O1", "-Wshadow", "-Wshorten-64-to-32"]}


@pytest.mark.parametrize("compiler", [tool("gcc"), tool("clang")])
def test_compilers_have_nothing_to_say(compiler: str, tmp_path: Path) -> None:
    """Without names it is what each profile is compiled as."""
    options = [*STRICT, *BEYOND[compiler], "-DOPAL_NAMES"]
    assert said(compiler, *options, "-c", put(tmp_path), "-o", tmp_path / "opal.o") == ""


@needs_compiler
@pytest.mark.parametrize("profile", PROFILES)
def test_the_codec_of_a_profile_compiles_without_a_word(profile: str, tmp_path: Path) -> None:
    assert said(CC, *STRICT, "-c", put(tmp_path, profile), "-o", tmp_path / "opal.o") == ""


@pytest.mark.parametrize("compiler", [tool("g++"), tool("clang++")])
def test_the_header_serves_cpp(compiler: str, tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "user.cpp").write_text(
        f'#include "{HEADER}"\nint main() {{ opal_Packet p; p.txn = 1; return p.txn; }}\n'
    )
    assert (
        said(compiler, "-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", tmp_path / "user.cpp")
        == ""
    )


@pytest.mark.skipif(not shutil.which("cppcheck"), reason="cppcheck is not installed")
def test_cppcheck_has_nothing_to_say(tmp_path: Path) -> None:
    kinds = "--enable=warning,style,performance,portability"
    assert said("cppcheck", "--std=c99", "-q", kinds, "--error-exitcode=1", put(tmp_path)) == ""


def test_a_warning_is_seen(tmp_path: Path) -> None:
    if CC is None:
        pytest.skip(WITHOUT)
    path = put(tmp_path)
    path.write_text(path.read_text().replace("v->generation = p[0];", "v->generation = opal_u16(p);"))
    assert "conver" in said(CC, *STRICT, "-c", path, "-o", tmp_path / "opal.o")


# ── What it needs ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not (CC and NM), reason="no C compiler or no nm is installed")
def test_it_needs_nothing_but_memcpy(tmp_path: Path) -> None:
    assert said(CC, *STRICT, "-Os", "-ffreestanding", "-fno-pic", "-c", put(tmp_path), "-o", tmp_path / "opal.o") == ""
    done = subprocess.run([str(NM), "-u", tmp_path / "opal.o"], capture_output=True, text=True, check=True)
    assert {line.split()[-1] for line in done.stdout.splitlines()} <= {"memcpy"}


def test_only_headers_of_every_freestanding_compiler_and_memcpys_are_included() -> None:
    made = files(catalogue())
    text = (made[HEADER] + made[SOURCE]).decode()
    included = {line.split()[1] for line in text.splitlines() if line.startswith("#include")}
    assert included == {'"opal.h"', "<stdbool.h>", "<stddef.h>", "<stdint.h>", "<string.h>"}


def test_words_of_the_language_are_no_members() -> None:
    assert {member(w) for w in KEYWORDS} & KEYWORDS == set()
    assert member("offers") == "offers"


def test_no_text_ends_a_comment() -> None:
    assert "*/" not in "".join(comment("a */ b /* c ??/"))[3:-3]
    assert max(map(len, comment("word " * 90, "    "))) <= 120


def test_literals_are_what_they_say() -> None:
    assert literal(-(1 << 63), 64, signed=True) == "(-INT64_C(9223372036854775807) - 1)"
    assert literal(200, 8) == "200u"
    assert literal((1 << 24) - 1, 24) == "UINT32_C(16777215)"


@pytest.mark.parametrize("crc", catalogue().crcs, ids=lambda c: c.name)
def test_crc_tables_give_the_declared_check(crc: Any) -> None:
    table, mask, x = crc_table(crc), (1 << crc.width) - 1, crc.init
    for byte in b"123456789":
        x = table[(x ^ byte) & 255] ^ x >> 8 if crc.refin else table[x >> crc.width - 8 ^ byte] ^ x << 8 & mask
    assert x ^ crc.xorout == crc.check


def test_units_bounds_and_requirements_stand_beside_the_members() -> None:
    text = files(catalogue())[HEADER].decode()
    assert "in mV, 3000 to 20000" in text
    found = {r for x in catalogue().layouts for f in ir.fields_of(x.parts) for r in getattr(f, "req", ())}
    assert found
    assert sorted(r for r in found if r not in text) == []


# ── Vectors ──────────────────────────────────────────────────────────────────────────────────────────


@cache
def index() -> dict[Target, int]:
    return {t: i for i, t in enumerate(targets(catalogue()))}


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    if CC is None:
        pytest.skip(WITHOUT)
    with Driver(cached(real(catalogue()))) as running:
        yield running


def test_vectors_have_the_same_outcome(driver: Driver) -> None:
    """Class, path and offset of the negative ones, every value of the positive ones, and their bytes again."""
    packet, expected = index()[Target("envelope", "Packet")], Expected(catalogue(), ours.module())
    outcomes = driver.ask([(packet, bytes.fromhex(v.hex)) for v in ALL])
    for v, found in zip(ALL, outcomes, strict=True):
        want = expected(bytes.fromhex(v.hex))
        if isinstance(want, DecodeError):
            assert v.error, v.name
            assert (want.fault, want.path) == (v.error.fault, v.error.path), v.name
            want = refused(want.fault, want.path, want.offset)
        assert found == want, f"{v.name}: {Said(want)} became {Said(found)}"


def test_every_beginning_of_a_packet_is_read_within_its_bounds(driver: Driver) -> None:
    """The sanitizer is there to see a look beyond; what is cut off is short, whatever it is."""
    packet = index()[Target("envelope", "Packet")]
    for v in ALL[::97]:
        data = bytes.fromhex(v.hex)[:400]
        wants = []
        for n in range(len(data)):
            with pytest.raises(DecodeError) as error:
                codec.decode(data[:n])
            wants.append(refused(error.value.fault, error.value.path, error.value.offset))
        assert driver.ask([(packet, data[:n]) for n in range(len(data))]) == wants


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("envelope", catalogue().envelopes[1:], ids=lambda e: e.name)
@pytest.mark.parametrize("crc", [True, False])
def test_envelopes_mean_the_same(driver: Driver, envelope: ir.Envelope, crc: bool) -> None:
    name = camel(envelope.name)
    if not (crc or envelope.crc):
        return  # it has none to leave out
    target, flat = index()[Target("envelope" if crc else "bare", name)], flats(catalogue())[name]
    inputs = list(envelope_inputs(Dice.seeded(7), catalogue(), envelope, 60))
    accepted = 0
    for data, found in zip(inputs, driver.ask([(target, x) for x in inputs]), strict=True):
        try:
            v = ours.module()[f"decode_{name}"](data, **({"crc": crc} if envelope.crc else {}))
        except DecodeError as error:
            want = refused(error.fault, error.path, error.offset)
        else:
            accepted += 1
            want = b"\0" + flat(v) + struct.pack("<I", len(v.payload)) + bytes(v.payload)
        assert found == want, f"{data.hex()}: {Said(want)} became {Said(found)}"
    assert 0 < accepted < len(inputs)


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change", [None, mutations.illegal_in, mutations.unencodable], ids=["legal", "illegal", "wide"]
)
def test_values_have_the_same_encoding(driver: Driver, change: Any) -> None:
    """Or are refused for the same field; Python's encoder names no class."""
    c, requests, wants = catalogue(), [], []
    for i, layout in enumerate(c.layouts):
        if f"encode_{layout.name}" not in ours.module() or ir.lone_number(layout):
            continue
        for seed in range(4):
            dice = Dice.seeded(100 * i + seed)
            value = mutations.legal(dice, c, layout)
            if change:
                value = changed(dice, c, layout, value, in_a_struct(change))
            try:
                want = 0, ours.module()[f"encode_{layout.name}"](made(c, ours.module(), layout, value))
            except EncodeError as error:
                if change is mutations.unencodable and inside_tlv(c, layout, error.path):
                    continue
                want = 1, error.path.encode()
            requests.append((index()[Target("encode", layout.name)], taken(c, layout, value)))
            wants.append(want)
    refusals = 0
    for (target, data), want, found in zip(requests, wants, driver.ask(requests), strict=True):
        told = (int(found[0] != 0), found[1:] if found[0] == 0 else found[5:])
        assert told == want, f"{list(index())[target]} {data.hex()}: {Said(found)} instead of {want}"
        refusals += want[0]
    assert (refusals > 20) is (change is not None)


# ── Room ─────────────────────────────────────────────────────────────────────────────────────────────

ROOM_TEST = """
#include <assert.h>
#include "opal.c"

int main(void)
{
    static uint8_t bytes[256];
    opal_PwrSourceCaps v = {0}, back;
    opal_error e;
    opal_buffer out = {bytes, 0, sizeof bytes};
    opal_span all;
    size_t begun, n, size;
    opal_tlv t;

    v.offers.n = 2;
    for (n = 0; n < 2; n++) v.offers.at[n].min = v.offers.at[n].max = 5000;
    assert(opal_encode_PwrSourceCaps(&v, &out, &e) == OPAL_OK);
    n = out.n;
    for (size = 0; size < n; size++) {
        opal_buffer small = {bytes + 100, 0, size};
        assert(opal_encode_PwrSourceCaps(&v, &small, &e) == OPAL_ROOM && small.n == 0);
    }
    all.at = bytes;
    all.n = n;
    assert(opal_decode_PwrSourceCaps(&back, all, &e) == OPAL_OK && back.offers.n == 2);
    /* Three offers are legal, and more than this build has room for. */
    bytes[3] = 3;
    for (size = 0; size < 12; size++) bytes[n + size] = bytes[n - 12 + size];
    all.n = n + 12;
    assert(opal_decode_PwrSourceCaps(&back, all, &e) == OPAL_ROOM);
    bytes[3] = 8;
    assert(opal_decode_PwrSourceCaps(&back, all, &e) == OPAL_CAP && e.depth == 1 && e.at == bytes + 3);
    assert(e.step[0].field == OPAL_FIELD_offers && e.step[0].index == OPAL_WHOLE);
    v.offers.n = 3;
    assert(opal_encode_PwrSourceCaps(&v, &out, &e) == OPAL_ROOM);

    /* A TLV put together in place, and found again. */
    out.n = 0;
    assert(opal_begin_tlv(&out, 0xfff1, &begun) == OPAL_OK);
    out.at[out.n++] = 42;
    assert(opal_end_tlv(&out, begun) == OPAL_OK && out.n == 5);
    all.at = out.at;
    all.n = out.n;
    assert(opal_next_tlv(&all, &t) && t.tag == 0xfff1 && t.value.n == 1 && t.value.at[0] == 42);
    assert(!opal_next_tlv(&all, &t) && all.n == 0);
    all.at = bytes;
    all.n = 4;
    bytes[2] = 1;
    assert(!opal_next_tlv(&all, &t));
    out.n = out.size - 3;
    assert(opal_begin_tlv(&out, 1, &begun) == OPAL_ROOM);

    /* An unknown message, and a path cut off. */
    {
        static opal_body body;
        char text[8];
        all.n = 0;
        assert(opal_decode_body(&body, 0xffff, all, &e) == OPAL_UNKNOWN);
        assert(opal_message_name(0xffff) == NULL);
        e.depth = 1;
        e.step[0].field = OPAL_FIELD_extensions;
        e.step[0].index = 12;
        assert(opal_path(&e, text, sizeof text) == 14 && memcmp(text, "extensi", 8) == 0);
        assert(opal_path(&e, text, 0) == 14);
    }
    return 0;
}
"""


@needs_compiler
def test_capacities_and_buffers_are_kept(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "room.c").write_text("#define OPAL_NAMES\n#define OPAL_CAPACITY_PwrSourceCaps_offers 2u\n" + ROOM_TEST)
    flags = ["-std=c99", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    assert said(CC, *flags, tmp_path / "room.c", "-o", tmp_path / "room") == ""
    assert said(tmp_path / "room") == ""


OWN_CRC = """
#include <stddef.h>
#include <stdint.h>
static uint32_t mine(const uint8_t *p, size_t n) { (void)p; return (uint32_t)n; }
#define OPAL_CRC32C(data, n) mine(data, n)
#include "opal.c"

int main(void)
{
    uint8_t bytes[32];
    opal_Packet v = {0};
    opal_error e;
    opal_buffer out = {bytes, 0, 32};
    return opal_encode_Packet(&v, true, &out, &e) == OPAL_OK && bytes[16] == 16 ? 0 : 1;
}
"""


@needs_compiler
def test_a_crc_of_ones_own_takes_the_place_of_the_tables(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "own.c").write_text(OWN_CRC)
    assert said(CC, "-std=c99", tmp_path / "own.c", "-o", tmp_path / "own") == ""
    assert said(tmp_path / "own") == ""


# ── Profiles ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_what_its_features_use(profile: str) -> None:
    c = of_profile(catalogue(), profile)
    declared = catalogue().profile[profile]
    features = {*declared.requires, *declared.allows}
    assert not list(c.dangling())
    for p in catalogue().packets:
        assert (p in c.packets) is (not p.needs or bool(features & {*p.needs})), p.name
    for s in c.spaces:
        assert all(not t.needs or features & {*t.needs} for t in s.types)
    # Nothing stays that nobody reaches.
    reached = {name for p in c.packets for name in p.forms.values()} | {b.layout for b in c.bodies}
    reached |= {t.layout for s in c.spaces for t in s.types}
    reached |= {f.row for x in c.layouts for f in x.parts if isinstance(f, ir.Rows)}
    assert {x.name for x in c.layouts} == reached


def test_passive_elements_need_neither_laser_nor_pictures() -> None:
    c = of_profile(catalogue(), "macro-tube")
    assert "FLIT" not in c.envelope
    assert "FRAME_BLOCK" not in c.packet
    assert {"HELLO", "KEEPALIVE"} & c.packet.keys()
    sizes = {name: sum(map(len, files(catalogue(), name).values())) for name in ("", "four-thirds", "macro-tube")}
    assert sizes["macro-tube"] < sizes[""] / 2
    assert sizes["four-thirds"] < sizes[""]


@needs_compiler
def test_what_a_profile_leaves_out_is_unknown_and_the_rest_unchanged(tmp_path: Path) -> None:
    """The outcome is that of a Python codec made from the same part of the catalogue."""
    part = of_profile(catalogue(), "macro-tube")
    packet = targets(part).index(Target("envelope", "Packet"))
    expected = Expected(part, load(one_module(part)))
    judged: Counter[str] = Counter()
    with Driver(build(program([(part, files(catalogue(), "macro-tube"))]), tmp_path, ("-O0",))) as driver:
        inputs = [bytes.fromhex(v.hex) for v in ALL]
        for v, data, found in zip(ALL, inputs, driver.ask([(packet, x) for x in inputs]), strict=True):
            want = expected(data)
            if isinstance(want, DecodeError):
                want = refused(want.fault, want.path, want.offset)
            assert found == want, f"{v.name}: {Said(want)} became {Said(found)}"
            judged[v.name.split(".")[0]] += found[:1] != b"\0"
    assert judged["KEEPALIVE"]
    assert not judged["FRAME_BLOCK"]  # which it does not know


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_registry_makes_a_profile_and_refuses_what_it_cannot(tmp_path: Path) -> None:
    made_files = registry.made("c", tmp_path, "macro-tube")
    assert {p.name for p in made_files} == {HEADER, SOURCE}
    assert b"of the profile macro-tube" in made_files[tmp_path / HEADER]
    with pytest.raises(ValueError, match="No profile is called 'tube'; there are four-thirds"):
        registry.made("c", tmp_path, "tube")
    with pytest.raises(ValueError, match="makes the same for every profile"):
        registry.made("json", tmp_path, "macro-tube")


def test_faults_are_in_the_order_of_the_header() -> None:
    text = files(catalogue())[HEADER].decode()
    order = [text.index(f"OPAL_{f.name},") for f in Fault]
    assert order == sorted(order)
