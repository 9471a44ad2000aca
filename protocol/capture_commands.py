"""`opalink capture`: what is in a recording, and its packets one by one.

Plan: opening · info · decode · what is printed of a packet.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from msgspec import Struct, structs

from opalink.protocol.capture.pcapng import LINKTYPE_PACKET, Captured, CaptureError, Interface, Reader
from opalink.protocol.errors import DecodeError
from opalink.spec.capture_format import LINK_TYPES

_LISTED: Final = 1000  # interfaces of all sections together that are told apart
_CARRIED: Final = {x.value: x.carries for x in LINK_TYPES}
_SECTION: Final = b"\x0a\x0d\x0d\x0a"


class NoRecordingError(click.ClickException):
    exit_code = 2


class NoInputError(click.ClickException):
    exit_code = 5


@click.group()
def capture() -> None:
    """Recordings: what is in one, and its packets."""


# ── Opening ──────────────────────────────────────────────────────────────────────────────────────────


def is_recording(path: str) -> bool:
    """Whether a file, which need not be there, begins as a recording does."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(_SECTION)) == _SECTION
    except (OSError, ValueError):
        return False


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """A file, or standard input; whatever is no recording ends the command with a sentence."""
    try:
        if name == "-":
            yield sys.stdin.buffer
        else:
            with Path(name).open("rb") as stream:
                yield stream
    except CaptureError as error:
        raise NoRecordingError(str(error)) from None
    except OSError as error:
        if error.filename is None:  # it is not this file that cannot be used
            raise
        raise NoInputError(f"{name!r} cannot be read: {error.strerror}.") from None


def _printable(text: str) -> str:
    """What a stranger wrote, without what a terminal would obey."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


# ── Info ─────────────────────────────────────────────────────────────────────────────────────────────


class Seen(Struct):
    """What was captured on one interface. Times are in nanoseconds."""

    name: str
    link_type: int
    carries: str
    direction: str
    packets: int = 0
    bytes: int = 0
    cut: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, packet: Captured) -> None:
        self.packets += 1
        self.bytes += packet.size
        self.cut += packet.cut
        self.first = packet.time if self.first is None else min(self.first, packet.time)
        self.last = packet.time if self.last is None else max(self.last, packet.time)


def _seen(reader: Reader) -> list[Seen]:
    """Every interface that anything was captured on, in the order in which that was."""
    found: dict[Interface | None, Seen] = {}
    for packet in reader:
        on = packet.interface
        if on not in found and len(found) >= _LISTED:
            found.setdefault(None, Seen("others", 0, "packets and FLITs", "")).add(packet)
            continue
        direction = "inbound" if on.inbound else "outbound"
        found.setdefault(on, Seen(on.name, on.link_type, _CARRIED[on.link_type], direction)).add(packet)
    return list(found.values())


def _summary(reader: Reader, seen: list[Seen]) -> dict[str, Any]:
    return {
        "application": reader.application,
        "comments": reader.comments,
        "sections": reader.sections,
        "blocks": reader.blocks,
        "packets": sum(s.packets for s in seen),
        "skipped": reader.skipped,
        "lost": reader.lost,
        "untimed": reader.untimed,
        "interfaces": [structs.asdict(s) for s in seen],
        "foreign": {str(link_type): n for link_type, n in sorted(reader.foreign.items())},
        "damages": reader.damages,
        "damage": [structs.asdict(d) for d in reader.damage],
    }


@capture.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(file: str, as_json: bool) -> None:
    """What is in the recording FILE, or - for standard input.

    What is damaged is passed over, said with its block and its byte, and makes the exit code 1.
    """
    with _opened(file) as stream:
        reader = Reader(stream)
        seen = _seen(reader)
    if as_json:
        click.echo(json.dumps(_summary(reader, seen), indent=1, ensure_ascii=False))
    else:
        for line in _told(reader, seen):
            click.echo(line)
    sys.exit(1 if reader.damages else 0)


def _told(reader: Reader, seen: list[Seen]) -> Iterator[str]:
    if reader.application:
        yield f"written by {_printable(reader.application)}"
    yield from (_printable(c) for c in reader.comments)
    total = sum(s.packets for s in seen)
    yield f"sections {reader.sections:,}   blocks {reader.blocks:,}   packets {total:,}   lost {reader.lost:,}"
    for s in seen:
        name = _printable(s.name) or "an interface without a name"
        yield (
            f"{name:24} {s.direction:8} {s.packets:>9,} {s.carries:7} {s.bytes:>13,} B   "
            f"{_seconds(s.first)} to {_seconds(s.last)}" + (f"   {s.cut:,} not whole" if s.cut else "")
        )
    yield from (f"skipped: {n:,} of link type {link_type}" for link_type, n in sorted(reader.foreign.items()))
    yield from _damage(reader)


def _damage(reader: Reader) -> Iterator[str]:
    yield from (f"damaged: {damage}" for damage in reader.damage)
    if more := reader.damages - len(reader.damage):
        yield f"damaged: {more:,} places more"


def _seconds(time: int | None) -> str:
    if time is None:
        return ""
    whole, part = divmod(abs(time), 1_000_000_000)
    return f"{'-' if time < 0 else ''}{whole:,}.{part:09} s"


# ── Decode ───────────────────────────────────────────────────────────────────────────────────────────


@capture.command("decode")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a packet.")
@click.option("--no-crc", is_flag=True, help="Do not check the CRC.")
def decode(file: str, as_json: bool, no_crc: bool) -> None:
    """Every packet of the recording FILE, or - for standard input, as a readable tree or as JSON.

    Of a FLIT it is the header. What does not decode, and what is damaged, is said and makes the exit code 1.
    """
    decoded(file, as_json=as_json, crc=not no_crc)


def decoded(file: str, *, as_json: bool, crc: bool) -> None:
    """Print every packet of a recording and end with 0, or with 1 where not all of it could be read."""
    failed = False
    with _opened(file) as stream:
        reader = Reader(stream)
        for number, packet in enumerate(reader, 1):
            try:
                value = _value(packet, crc=crc)
            except DecodeError as error:
                failed, value = True, error
            click.echo(_as_json(number, packet, value) if as_json else _as_text(number, packet, value))
    for line in _damage(reader):
        click.echo(line, err=True)
    sys.exit(1 if failed or reader.damages else 0)


# ── What is printed of a packet ──────────────────────────────────────────────────────────────────────


def _value(captured: Captured, *, crc: bool) -> Any:
    """A packet, a FLIT or a sideband record. Raises DecodeError; of what begins with a sideband record's mark and is
    none, as of a FLIT."""
    from opalink.protocol import codec

    data = captured.data
    if captured.interface.link_type == LINKTYPE_PACKET:
        return codec.decode(data, crc=crc)
    try:
        return codec.decode_sideband(data, crc=crc)
    except DecodeError:
        return codec.decode_flit(data, crc=crc)


def _as_json(number: int, captured: Captured, value: Any) -> str:
    on = captured.interface
    about: dict[str, Any] = {"number": number, "time": captured.time, "interface": on.name, "inbound": on.inbound}
    about |= {"comments": captured.comments} if captured.comments else {}
    about |= {"size": captured.size} if captured.cut else {}
    about |= {"lost": captured.lost} if captured.lost else {}
    return json.dumps(about | _content(value), ensure_ascii=False)


def _content(value: Any) -> dict[str, Any]:
    from opalink.protocol import codec, text

    match value:
        case DecodeError() as e:
            return {"error": {"fault": e.fault, "path": e.path, "offset": e.offset, "detail": e.detail}}
        case codec.Packet():
            return text.to_json(value)
        case codec.Sideband():
            return {"sideband": _content(_carried(value))}
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    payload = bytes(fields.pop("payload")).hex()
    return {"flit": {name: getattr(x, "name", x) for name, x in fields.items()} | {"payload": payload}}


def _carried(record: Any) -> Any:
    """The packet of a sideband record, or the error."""
    from opalink.protocol import codec

    try:
        return codec.decode(record.payload)
    except DecodeError as error:
        return error


def _as_text(number: int, captured: Captured, value: Any) -> str:
    on = captured.interface
    lines = [f"── {number:,}   {_seconds(captured.time)}   {_printable(on.name)}"]
    lines += [f"{captured.lost:,} packets before this one are missing"] if captured.lost else []
    lines += [f"{len(captured.data):,} of its {captured.size:,} bytes were kept"] if captured.cut else []
    lines += [f"# {_printable(c)}" for c in captured.comments]
    return "\n".join([*lines, _shown(value), ""])


def _shown(value: Any) -> str:
    from opalink.protocol import codec, text

    match value:
        case DecodeError():
            return f"error ({value.fault}): {value}"
        case codec.Packet():
            return text.tree(value)
        case codec.Sideband():
            return f"sideband record\n{_shown(_carried(value))}"
    fields = ((name, getattr(value, name)) for name in value.__struct_fields__ if name != "payload")
    return "FLIT\n" + "\n".join(f"  {name}: {getattr(x, 'name', x)}" for name, x in fields)
