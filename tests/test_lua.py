"""tshark with our dissector tells of every packet what our codec does.

Plan: vectors · checks that nobody watches · a session · exchanges · a new field · generators that err · syntax ·
statistics.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files as resources
from pathlib import Path

import msgspec
import pytest

from opalink.protocol import codec
from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.generate import lua as backend
from opalink.protocol.generate.vectors import Vector
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import write_packet
from opalink.protocol.packets import Keepalive, KeepaliveResponse, PwrReady, Status
from opalink.spec.form import MS, Form, Role
from tests.changes import altered
from tests.differential.tshark import MISSING, TSHARK, Sent, differences, dissector, record, said, session, told

needs_tshark = pytest.mark.skipif(TSHARK is None, reason=MISSING)
pytestmark = needs_tshark


class File(msgspec.Struct):
    vectors: list[Vector]


VECTORS = [
    v
    for path in sorted(resources("opalink.protocol.exports").iterdir(), key=lambda path: path.name)
    if path.name.startswith("vectors-")
    for v in msgspec.json.decode(path.read_bytes(), type=File).vectors
]
NEGATIVE = [v for v in VECTORS if v.error]


@pytest.fixture(scope="module")
def lua(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dissector(tmp_path_factory.mktemp("lua"))


def recorded(folder: Path, packets: list[bytes], sender: Role = Role.MODULE) -> Path:
    path = folder / "recording.pcapng"
    record(path, ((n * MS, sender, data) for n, data in enumerate(packets)))
    return path


def bytes_of(vectors: list[Vector]) -> list[bytes]:
    return [bytes.fromhex(v.hex) for v in vectors]


def succeeded() -> list[bytes]:
    """A response with every status that means success: no vector has the rarer ones."""
    ask = codec.request(Keepalive(1), 7)
    found = [s for s in catalogue().statuses if s.success]
    return [codec.encode(codec.response(ask, KeepaliveResponse(1), Status(s.value))) for s in found]


@pytest.fixture(scope="module")
def negative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("negative"), bytes_of(NEGATIVE))


# ── Vectors ──────────────────────────────────────────────────────────────────────────────────────────


def test_every_field_of_every_vector_is_ours_and_every_fault_shows(lua: Path, tmp_path: Path) -> None:
    packets = [*bytes_of(VECTORS), *succeeded()]
    assert list(differences(lua, recorded(tmp_path, packets), packets)) == []


# ── Checks that nobody watches ───────────────────────────────────────────────────────────────────────


def test_faults_are_counted_where_no_field_is_asked_for(lua: Path, negative: Path) -> None:
    shown = said(lua, negative, "-q", "-z", "expert,error")
    assert sum(int(n) for n in re.findall(r"^ +(\d+) +\S+ +OPAL ", shown, re.MULTILINE)) == len(NEGATIVE)


@pytest.mark.parametrize("fault", Fault)
def test_a_filter_finds_the_packets_with_a_fault(lua: Path, negative: Path, fault: Fault) -> None:
    wanted = [n for n, v in enumerate(NEGATIVE, 1) if v.error and v.error.fault == fault]
    found = said(lua, negative, "-Y", f"opal.fault.{fault}", "-T", "fields", "-e", "frame.number")
    assert [int(n) for n in found.split()] == wanted


@pytest.mark.parametrize("question", ["opal.fault.crc", "_ws.expert", "opal.fault", 'opal.fault.path == "crc"'])
def test_the_crc_of_a_long_packet_is_checked_where_somebody_asks(lua: Path, tmp_path: Path, question: str) -> None:
    long = next(data for v in VECTORS if v.value and len(data := bytes.fromhex(v.hex)) > 4096)
    packets = [long, long[:-1] + bytes([long[-1] ^ 1]), long]
    found = said(lua, recorded(tmp_path, packets), "-Y", question, "-T", "fields", "-e", "frame.number")
    assert found.split() == ["2"]


def listed(lua: Path, recording: Path, *columns: str) -> list[list[str]]:
    """The columns of each packet. Nothing else is shown: what nobody asks for stays out of the tree, and numbers are
    compared all at once."""
    told = ",".join(f'"{n}","{column}"' for n, column in enumerate(columns))
    lines = said(lua, recording, "-T", "tabs", "-o", f"gui.column.format:{told}").splitlines()
    return [[x.strip() for x in line.split("\t")] for line in lines]


def unseen_faults(lua: Path, recording: Path) -> list[str]:
    """What is wrong with each packet, as `fault_of` gives it."""
    found = listed(lua, recording, "%i", "%Cus:opal.fault:0:U", "%Cus:opal.fault.path:0:U")
    return [f"{fault} {path}".strip() for _, fault, path in found]


def fault_of(data: bytes) -> str:
    """Class and path of what is wrong with a packet, if anything."""
    try:
        codec.decode(data)
    except DecodeError as error:
        return f"{error.fault} {error.path}".strip()
    return ""


def test_faults_are_the_same_where_nothing_is_shown(lua: Path, tmp_path: Path) -> None:
    packets = bytes_of(VECTORS)
    assert unseen_faults(lua, recorded(tmp_path, packets)) == [fault_of(data) for data in packets]


def test_fields_are_the_same_where_nothing_else_is_shown(lua: Path, tmp_path: Path) -> None:
    """Whole numbers of every packet type, wherever they are, each asked for alone."""
    recording = recorded(tmp_path, [x for v in VECTORS if v.value for x in bytes_of([v])][::15])
    packets = [x.fields for x in told(lua, recording)]
    texts = {name for fields in packets for name, show, _ in fields if not re.fullmatch("-?[0-9]+", show)}
    names = sorted({name for fields in packets for name, _, _ in fields} - texts)
    found = listed(lua, recording, *(f"%Cus:opal.{name}:-1:U" for name in names))
    assert len(names) > 300
    for fields, columns in zip(packets, found, strict=True):
        shown = {name: show for name, show, _ in fields}  # the last of each name
        assert dict(zip(names, columns, strict=True)) == {name: shown.get(name, "") for name in names}


# ── A session ────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_told_as_we_tell_it(lua: Path, tmp_path: Path) -> None:
    sent = list(session(1500, seed=1))
    record(tmp_path / "session.pcapng", sent)
    assert list(differences(lua, tmp_path / "session.pcapng", [data for _, _, data in sent])) == []


# ── Exchanges ────────────────────────────────────────────────────────────────────────────────────────


def test_a_response_is_tied_to_its_request_and_the_time_told(lua: Path, tmp_path: Path) -> None:
    """Both sides use the same transaction at the same time; an event between them changes nothing."""
    ask = codec.request(Keepalive(1), 7)
    answer = codec.encode(codec.response(ask, KeepaliveResponse(1), Status.OK))
    asked = codec.encode(ask)
    sent: list[Sent] = [
        (0, Role.PHONE, asked),
        (1 * MS, Role.MODULE, asked),
        (2 * MS, Role.MODULE, codec.encode(codec.event(PwrReady(object=1)))),
        (5 * MS, Role.MODULE, answer),
        (8 * MS, Role.PHONE, answer),
        (9 * MS, Role.PHONE, answer),  # to nothing that is open
    ]
    path = tmp_path / "exchange.pcapng"
    record(path, sent)
    asked_for = ["-e", "opal.response_in", "-e", "opal.request_in", "-e", "opal.response_time"]
    found = said(lua, path, "-2", "-T", "fields", "-E", "separator=;", *asked_for)
    assert found.splitlines() == [
        "4;;0.005000000", "5;;0.007000000", ";;", ";1;0.005000000", ";2;0.007000000", ";;",
    ]  # fmt: skip


def test_columns_say_what_a_packet_is_and_whose(lua: Path, tmp_path: Path) -> None:
    packets = [next(data for v in VECTORS if v.name == name for data in bytes_of([v])) for name in (
        "HELLO.request.default", "FRAME_TRAILER.event.default", "PWR_REQUEST.error.default", "PACKET.crc_flipped",
    )]  # fmt: skip
    columns = ["_ws.col.Protocol", "_ws.col.Source", "_ws.col.Destination", "_ws.col.Info"]
    shown = said(lua, recorded(tmp_path, packets), "-T", "fields", *(x for c in columns for x in ("-e", c)))
    hello, trailer, refusal, broken = (line.split("\t") for line in shown.splitlines())
    assert hello == ["OPAL", "phone", "module", "HELLO request #1"]
    assert trailer == ["OPAL", "module", "phone", "FRAME_TRAILER event"]
    assert refusal[-1] == "PWR_REQUEST error BAD_VALUE #1"
    assert broken[-1] == "type 238 event [crc: crc]"


def test_the_quantity_stands_beside_a_scaled_number(lua: Path, tmp_path: Path) -> None:
    data = next(bytes.fromhex(v.hex) for v in VECTORS if v.name == "FRAME_TRAILER.event.temperature.min")
    shown = said(lua, recorded(tmp_path, [data]), "-V")
    assert "temperature: -32768 (-3276.8 degC)" in shown
    assert "width: 1 px" not in shown


# ── A new field ──────────────────────────────────────────────────────────────────────────────────────


def added(c: ir.Catalogue) -> ir.Catalogue:
    """The catalogue with one more field in PWR_RESET."""
    new = ir.Number("gentleness", "How slowly the supply goes down.", 16, hi=500, unit="ms", since="1.1")
    return altered("layouts", "PwrReset", parts=lambda parts: (new, *parts))(c)


def test_a_field_that_is_added_appears(tmp_path: Path) -> None:
    c = added(catalogue())
    layout = c.layout["PwrReset"]
    value = {"gentleness": 250, "level": 1, "off_time": 30, "extensions": []}
    good, bad = (write_packet(c, c.packet["PWR_RESET"], Form.EVENT, value | {"gentleness": n}) for n in (250, 501))
    assert {p.name for p in ir.fields_of(layout.parts)} <= value.keys() | {"spare"}
    lua = dissector(tmp_path, backend.files(c)[backend.NAME])
    one, other = told(lua, recorded(tmp_path, [good, bad]))
    assert ("PWR_RESET.event.gentleness", "250", "fa00") in one.fields
    assert (other.fault, other.path) == ("range", "PWR_RESET.event.gentleness")


# ── Generators that err ──────────────────────────────────────────────────────────────────────────────

MUTANTS: dict[str, Callable[[str], str]] = {
    "a bound one too high": lambda t: re.sub(r"\bhi = (\d+)", lambda m: f"hi = {int(m[1]) + 1}", t),
    "a bit field one place up": lambda t: re.sub(r"\bshift = 3\b", "shift = 4", t),
    "signs forgotten": lambda t: t.replace("signed = true", "signed = false"),
    "counts of one byte": lambda t: t.replace("count = 2", "count = 1"),
    "success without its second status": lambda t: t.replace("[15] = true", "[14] = true"),
    "numbers read from the big end": lambda t: t.replace("tree:add_le(n.field", "tree:add(n.field"),
    "bytes left over in a TLV": lambda t: t.replace("if after and after < stop", "if false"),
    "a constant that is not judged": lambda t: t.replace("n.const ~= nil and value ~= n.const", "false"),
    "flags in the wrong byte": lambda t: t.replace("math.floor(place / 8)", "0"),
    "a run that nobody judges": lambda t: t.replace("sound and not sound(c.s, at)", "false"),
    "a gap in a run forgotten": lambda t: t.replace('("x"):rep(gap)', '("x"):rep(0)'),
    "a bit field read with those above it": lambda t: t.replace("f.divisor * f.modulus, word", "2 ^ 32, word"),
    "a share of the check one byte late": lambda t: t.replace('"T%d[b%d]", n - i, i', '"T%d[b%d]", n - 1, i'),
    "another polynomial": lambda t: t.replace(f"poly = {0x1EDC6F41}", f"poly = {0x04C11DB7}"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_generator_that_errs_is_found_out(tmp_path: Path, mutant: str) -> None:
    sound = backend.files(catalogue())[backend.NAME].decode()
    broken = MUTANTS[mutant](sound)
    assert broken != sound
    packets = [*succeeded(), *bytes_of(VECTORS[:: 1 if mutant.startswith(("flags", "a constant")) else 3])]
    try:
        lua, recording = dissector(tmp_path, broken.encode()), recorded(tmp_path, packets)
        found = next(differences(lua, recording, packets), "")
        if not found and unseen_faults(lua, recording) != [fault_of(data) for data in packets]:
            found = "a fault"
    except RuntimeError as error:
        found = str(error)
    assert found


# ── Syntax ───────────────────────────────────────────────────────────────────────────────────────────

COMPILERS = [name for name in ("luac5.2", "luac5.4") if shutil.which(name)]


@pytest.mark.skipif(
    not COMPILERS, reason="neither Lua 5.2 nor 5.4 is installed (Debian: apt-get install lua5.2 lua5.4)"
)
def test_both_versions_of_lua_read_the_file(lua: Path) -> None:
    for name in COMPILERS:
        done = subprocess.run([name, "-p", str(lua)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


# ── Statistics ───────────────────────────────────────────────────────────────────────────────────────


def test_the_statistics_count_messages_and_faults(lua: Path, negative: Path) -> None:
    rows = [line.rsplit(maxsplit=3) for line in said(lua, negative, "-q", "-z", "opal").splitlines()[1:] if line]
    assert sum(int(count) for _, count, _, _ in rows) == len(NEGATIVE)
    assert sum(int(faults) for *_, faults in rows) == len(NEGATIVE)
    assert sum(int(size) for _, _, size, _ in rows) == sum(map(len, bytes_of(NEGATIVE)))
