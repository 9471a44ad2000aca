"""What tshark makes of packets with our dissector, beside what our codec makes of them: every field of a sound packet,
the class and the path of what is wrong with another.

`python -m tests.differential.tshark --packets 100000` records a session of a phone and a module, with random packets of
every type and damaged ones among theirs. With `--inputs N` it is so many packets as `tests.differential.c` makes them:
of every message, sound and with every class of error. Exit 1 where one differs.

Plan: tshark · what it tells · what we tell · a session · packets of every message · the command.
"""

import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct, structs

from opalink.protocol import codec, text
from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.errors import DecodeError
from opalink.protocol.generate.lua import NAME, files
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import write, write_packet
from opalink.spec.form import MS, US, Form, Role
from opalink.spec.limits import PACKET_OVERHEAD
from tests.differential import c as packets_for_c
from tests.differential.dice import Dice
from tests.differential.mutations import damaged, legal

SMALL: Final = 3  # the mode with the fewest pixels
LONGEST: Final = 0xFFFF  # bytes of a packet that is recorded

Sent = tuple[int, Role, bytes]  # when, by whom, and what
Value = int | bytes | None  # what stands in a field: nothing for a row, a TLV or a body as a whole


class Told(Struct):
    """What tshark tells of one packet: its fields in wire order, each with what is shown and its bytes in hexadecimal;
    the class and the path of what is wrong with it; and the expert information."""

    fields: list[tuple[str, str, str]] = []
    fault: str = ""
    path: str = ""
    experts: list[str] = []


# ── tshark ───────────────────────────────────────────────────────────────────────────────────────────

TSHARK: Final = shutil.which("tshark")
MISSING: Final = "tshark is not installed (Debian: apt-get install tshark)"


def dissector(folder: Path, text: bytes | None = None) -> Path:
    """The dissector as a file: what the back end makes of the catalogue, unless another text is given."""
    path = folder / NAME
    path.write_bytes(files(catalogue())[NAME] if text is None else text)
    return path


def command(lua: Path, recording: Path, *options: str) -> list[str]:
    """tshark with this dissector and no other."""
    assert TSHARK, MISSING
    return [TSHARK, "-n", "-X", f"lua_script:{lua}", "-r", str(recording), *options]


def said(lua: Path, recording: Path, *options: str) -> str:
    """What tshark prints. Raises RuntimeError where it, or the dissector, stumbles."""
    done = subprocess.run(command(lua, recording, *options), capture_output=True, text=True, timeout=600, check=False)
    if done.returncode or "Lua" in done.stderr or "Lua Error" in done.stdout:
        raise RuntimeError(f"{done.stderr}{[x for x in done.stdout.splitlines() if 'Lua Error' in x][:1]}")
    return done.stdout


def record(path: Path, packets: Iterable[Sent], link_type: int = LINKTYPE_PACKET) -> None:
    """A recording of what one lane carries: time, sender and bytes of each."""
    sides = (Role.MODULE, Role.PHONE)
    with path.open("wb") as stream:
        writer = Writer(stream, [Interface(f"laser from the {s}", link_type, s is Role.MODULE) for s in sides])
        for when, sender, data in packets:
            writer.write(sides.index(sender), when, data)


def record_flits(path: Path, flits: Iterable[Sent]) -> None:
    """The same for FLITs."""
    record(path, flits, LINKTYPE_FLIT)


# ── What it tells ────────────────────────────────────────────────────────────────────────────────────

_FIELD: Final = re.compile(r'<field name="opal\.([^"]+)" .*? show="([^"]*)"(?: value="([^"]*)")?', re.DOTALL)
_OWN: Final = ("request_in", "response_in", "response_time", "frame.", "segment", "reassembled_in")


def told(lua: Path, recording: Path, *options: str) -> Iterator[Told]:
    """What tshark tells of each packet, read as it is printed."""
    arguments = command(lua, recording, "-T", "pdml", "-J", "opal", *options)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        now: Told | None = None
        for line in _whole(running.stdout):
            if '<proto name="opal"' in line:
                now = Told()
            elif "</proto>" in line:
                if now:
                    yield now
                now = None
            elif "Lua Error" in line:
                raise RuntimeError(line.strip())
            elif now and (found := _FIELD.search(line)):
                _take(now, *found.groups())
        if running.wait() or "Lua" in (trouble := running.stderr.read()):
            raise RuntimeError(trouble)


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """Lines that end where a tag does: text of a packet may hold an end of line."""
    begun = ""
    for line in lines:
        begun += line
        if line.endswith(">\n"):
            yield begun
            begun = ""


def _take(now: Told, name: str, show: str, value: str | None) -> None:
    if name == "fault":
        now.fault = show
    elif name == "fault.path":
        now.path = show
    elif name.startswith("fault.") or name in ("refused", "unknown"):
        now.experts.append(name)
    elif not (name.startswith(_OWN) or name.endswith(".crc.status")):
        now.fields.append((name, show, value or ""))


# ── What we tell ─────────────────────────────────────────────────────────────────────────────────────


def fields(c: ir.Catalogue, parts: tuple[ir.Part, ...], value: Any, path: str) -> Iterator[tuple[str, Value]]:
    """The fields of a plain value with their paths, as a reader of the declarations expects them."""
    for f in ir.fields_of(parts):
        name = path + f.name
        match f:
            case ir.Number():
                number = value.get(f.name, f.const)
                yield name, number
                for flag in c.flag_set[f.flags].members if f.flags else ():
                    if flag.value < f.bits:
                        yield f"{name}.{flag.name}", number >> flag.value & 1
            case ir.Octets() | ir.Raw():
                yield name, value[f.name]
            case ir.Blob():
                yield f"{name}_count", len(value[f.name])
                yield name, value[f.name]
            case ir.Rows():
                yield f"{name}_count", len(value[f.name])
                for row in value[f.name]:
                    yield name, None
                    yield from fields(c, c.layout[f.row].parts, row, f"{name}.")
            case ir.Tlvs():
                known = {t.tag: t for t in c.space[f.space].types}
                for tag, content in value[f.name]:
                    yield from _tlv(c, known.get(tag), name, tag, content)


def _tlv(c: ir.Catalogue, known: ir.TlvType | None, name: str, tag: int, content: Any) -> Iterator[tuple[str, Value]]:
    yield name, None
    yield f"{name}.tag", tag
    if known is None:
        yield f"{name}.length", len(content)
        yield f"{name}.value", content
        return
    layout = c.layout[known.layout]
    number = ir.lone_number(layout)
    value = content if number is None else {number.name: content}
    yield f"{name}.length", len(write(c, layout, value))
    yield from fields(c, layout.parts, value, f"{name}.{known.name}.")


def ours(c: ir.Catalogue, data: bytes) -> list[tuple[str, Value]]:
    """The fields of a sound packet. Raises DecodeError for any other."""
    packet = codec.decode(data)
    length = len(data) - PACKET_OVERHEAD
    header = codec.plain(structs.replace(packet, body=b"")) | {"length": length}
    out = list(fields(c, c.envelope["PACKET"].header, header, "PACKET."))
    kind = c.by_code.get(int(packet.type))
    if isinstance(packet.body, bytes | memoryview):
        out += [("PACKET.payload", bytes(packet.body))] if length else []
    else:
        assert kind
        form = text.form_of(packet)
        layout = kind.forms.get(Form(form)) or c.error_layout(kind)
        path = f"{kind.name}.{form}"
        out += [(path, None), *fields(c, c.layout[layout].parts, codec.plain(packet.body), f"{path}.")]
    return [*out, ("PACKET.crc", int.from_bytes(data[-4:], "little"))]


def difference(c: ir.Catalogue, data: bytes, found: Told) -> str:
    """The first thing in which tshark and we differ about a packet, or nothing."""
    try:
        expected = ours(c, data)
    except DecodeError as error:
        if (found.fault, found.path) != (error.fault, error.path):
            return f"a fault {error.fault} at {error.path!r}, tshark says {found.fault!r} at {found.path!r}"
        return "" if f"fault.{error.fault}" in found.experts else f"no expert information on {error.fault}"
    if found.fault:
        return f"no fault, tshark says {found.fault} at {found.path!r}"
    for one, other in zip_longest(expected, found.fields):
        if one is None or other is None or one[0] != other[0] or not _same(one[1], *other[1:]):
            return f"{one}, tshark says {other}"
    return ""


def _same(value: Value, show: str, raw: str) -> bool:
    match value:
        case int():
            return value == (int(show == "True") if show in ("True", "False") else int(show, 0))
        case None:
            return True
    return bytes(value).hex() == raw


def differences(lua: Path, recording: Path, packets: list[bytes]) -> Iterator[str]:
    """Every packet of a recording about which tshark and we differ, and how."""
    c = catalogue()
    for n, (data, found) in enumerate(zip_longest(packets, told(lua, recording)), 1):
        if data is None or found is None:
            yield f"{len(packets)} packets, tshark tells of {'more' if data is None else n - 1}"
            return
        if what := difference(c, data, found):
            yield f"packet {n} ({data[:60].hex()}…): {what}"


# ── A session ────────────────────────────────────────────────────────────────────────────────────────


def session(count: int, seed: int = 0) -> Iterator[Sent]:
    """What a phone and a module say to each other while the phone shows a preview. Every tenth packet is a random one
    of any type instead, every tenth of those damaged."""
    dice, c = Dice.seeded(seed), catalogue()
    messages = [(p, form, layout) for p, form, layout in c.messages()]
    meeting = Meeting(Phone(), Module("four-thirds"))
    said: list[Sent] = []
    meeting.taps.append(lambda time, side, _lane, data: said.append((time, side, data)))
    meeting.phone.user.open(SMALL, width=64, height=64)
    meeting.put_on()
    for n in range(count):
        if n % 10 == 9:
            p, form, layout = dice.pick(messages)
            data = write_packet(c, p, form, legal(dice, c, layout))
            if n % 100 == 99:
                data = damaged(dice, data, data) or data
            if len(data) <= LONGEST:
                yield meeting.now, dice.pick((Role.PHONE, Role.MODULE)), data
                continue
        while not said:
            meeting.run(meeting.now + MS)
        yield said.pop(0)


# ── Packets of every message ─────────────────────────────────────────────────────────────────────────


def inputs(count: int, seed: int = 0) -> Iterator[Sent]:
    """Packets of every message in turn, a microsecond apart, four in ten of them wrong. None is empty, or too long for
    a record."""
    made = (data for _, data in packets_for_c.inputs(catalogue(), seed) if 0 < len(data) <= LONGEST)
    for n, data in enumerate(islice(made, count)):
        yield n * US, (Role.PHONE, Role.MODULE)[n % 2], data


def outcome(data: bytes) -> str:
    """Accepted, or the class of what is wrong."""
    try:
        codec.decode(data)
    except DecodeError as error:
        return str(error.fault)
    return "accepted"


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@click.command(help=__doc__)
@click.option("--packets", default=100_000, show_default=True, help="How many of a session.")
@click.option("--inputs", "count", default=0, help="So many packets of every message, and no session.")
@click.option("--seed", default=0, show_default=True, help="Of the random ones.")
@click.option("--out", default="out/tshark", show_default=True, type=click.Path(path_type=Path))
def main(packets: int, count: int, seed: int, out: Path) -> None:
    if TSHARK is None:
        raise click.ClickException(f"{MISSING}.")
    out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    sent = list(inputs(count, seed) if count else session(packets, seed))
    recording = out / "session.pcapng"
    record(recording, sent)
    found = list(islice(differences(dissector(out), recording, [data for _, _, data in sent]), 20))
    for line in found:
        click.echo(line[:1000])
    outcomes = sorted(Counter(outcome(data) for _, _, data in sent).items())
    click.echo(
        f"{time.monotonic() - begun:.0f} s: {len(sent)} {'inputs' if count else 'packets'}, {len(found)} differences"
        + "".join(f", {what} {n}" for what, n in outcomes)
    )
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
