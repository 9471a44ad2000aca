"""The ladder: the exchange of a test between tester and implementation, for report.html.

A rung is a packet with its fields and its bytes, what the bench has done to the implementation, or which part of the
test begins. A test that fails goes no further: its last packet is marked, and beside it stands what was expected.

Plan: quantities · rungs · times against their limits.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from msgspec import Struct, structs

from opalink.conformance.bundle import report
from opalink.conformance.bundle.results import Actor, Result, Step, Timed
from opalink.conformance.verdicts import Verdict
from opalink.protocol import codec, text
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane

FIELDS: Final = 4  # beside a packet's name
FIELD: Final = 48  # characters of one of them

# ── Quantities ───────────────────────────────────────────────────────────────────────────────────────

_UNITS: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))


def duration(ns: int) -> str:
    """A time with three places at most: "20 ms", "1.25 s"."""
    factor, unit = next((u for u in _UNITS if abs(ns) >= u[0]), _UNITS[-1])
    return f"{ns / factor:.3f}".rstrip("0").rstrip(".") + f" {unit}"


def hexdump(data: bytes) -> str:
    """Offsets, bytes and what of them is ASCII."""
    lines = []
    for at in range(0, min(len(data), report.BYTES), 16):
        row = data[at : at + 16]
        shown = "".join(chr(b) if 0x20 <= b < 0x7F else "·" for b in row)
        lines.append(f"{at:04x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}")
    if len(data) > report.BYTES:
        lines.append(f"…     {len(data) - report.BYTES} more bytes")
    return "\n".join(lines)


# ── Rungs ────────────────────────────────────────────────────────────────────────────────────────────


class Rung(Struct, frozen=True):
    """A line of the ladder: a packet between the two, or a note. `mood` is how an answer went: ok, refused, broken.
    `last` is whether a test that failed has ended here."""

    actor: str
    time: str
    lane: str = ""
    name: str = ""
    fields: str = ""
    mood: str = ""
    tree: str = ""
    dump: str = ""
    note: str = ""
    last: bool = False


def _rung(step: Step) -> Rung:
    time = duration(step.time)
    if step.actor in (Actor.BENCH, Actor.SUITE):
        return Rung(step.actor, time, note=step.note)
    lane = report.lane_name(step.lane)
    name, fields, mood, tree = _shown_on_lane(step) if step.on_lane else _shown(step.data)
    return Rung(step.actor, time, lane, name, fields, mood, tree, hexdump(step.data), step.note)


def _shown_on_lane(step: Step) -> tuple[str, str, str, str]:
    """Name and fields of what a lane itself has carried."""
    if step.lane == Lane.SIDEBAND:
        return "record", f"{len(step.data)} bytes", "", ""
    try:
        flit = codec.decode_flit(step.data)
    except DecodeError as error:
        return "FLIT", str(error), "broken", f"Does not decode: {error}."
    fields = {name: getattr(flit, name) for name in flit.__struct_fields__ if name != "payload"}
    said = ", ".join(f"{name} {getattr(value, 'name', value)}" for name, value in fields.items() if value)
    return f"FLIT {getattr(flit.kind, 'name', flit.kind)}", said, "", ""


def _shown(data: bytes) -> tuple[str, str, str, str]:
    """Name, fields, mood and tree of a packet."""
    name = report.packet_name(data)
    try:
        packet = codec.decode(data)
    except DecodeError as error:
        return name, str(error), "broken", f"Does not decode: {error}."
    mood = ("ok" if packet.status in _success() else "refused") if packet.rsp else ""
    layout = text.layout_of(packet)
    fields = ", ".join(_fields(layout, packet.body)) if layout else f"{len(packet.body)} bytes"
    return name, report.printable(fields), mood, report.printable(text.tree(packet))


@cache
def _success() -> frozenset[int]:
    return frozenset(s.value for s in catalogue().statuses if s.success)


def _fields(layout: ir.Layout, body: object) -> Iterator[str]:
    """The first fields that say something: those that are not at their default."""
    shown = 0
    for f in ir.fields_of(layout.parts):
        match f:
            case ir.Number() if f.const is None and not f.reserved and getattr(body, f.name) != f.default:
                said = f"{f.name} {text.quantity(f, getattr(body, f.name))}"
            case ir.Rows() if rows := getattr(body, f.name):
                said = f"{f.name} × {len(rows)}"
            case _:
                continue
        if shown == FIELDS:
            yield "…"
            return
        shown += 1
        yield said if len(said) <= FIELD else said[:FIELD].rpartition(" ")[0] + " …"


def ladder(result: Result) -> tuple[Rung, ...]:
    """The exchange of a test, or its beginning and its end where it is long."""
    rungs = [_rung(s) for s in report.excerpt(result.steps)]
    sent = [i for i, r in enumerate(rungs) if r.actor in (Actor.TESTER, Actor.IUT)]
    if result.verdict is Verdict.FAIL and sent:
        rungs[sent[-1]] = structs.replace(rungs[sent[-1]], last=True)
    return tuple(rungs)


# ── Times against their limits ───────────────────────────────────────────────────────────────────────


class Gauge(Struct, frozen=True):
    """A time beside its limits: in words, and as places on a scale in per cent: from where and up to where it is
    allowed, where it was, and between which bounds it may really have been."""

    words: str
    mood: str  # ok, unsure, broken
    start: float
    end: float
    at: float
    low: float
    high: float


def gauge(t: Timed) -> Gauge:
    """How a time compares with its limits."""
    top = max(t.limit, t.took + t.slack, 1) * 1.1

    def place(ns: int) -> float:
        return round(100 * max(ns, 0) / top, 2)

    allowed = f"at most {duration(t.limit)}" if t.least is None else f"{duration(t.least)} to {duration(t.limit)}"
    known = f" ± {duration(t.slack)}" if t.slack else ""
    mood = "unsure" if abs(t.margin) < t.slack else "ok" if t.margin >= 0 else "broken"
    words = f"{t.what}: {duration(t.took)}{known}; allowed is {allowed}."
    return Gauge(words, mood, place(t.least or 0), place(t.limit), place(t.took),
                 place(t.took - t.slack), place(t.took + t.slack))  # fmt: skip
