"""report.json: what machines read of a campaign, and the schema that it keeps to.

Whatever leaves a campaign passes `clean` first: names, log lines and packets come from the implementation, and a report
must show a control character or a change of writing direction, not obey it.

The schema stands beside this module, for those who read reports without this package; `python -m` with the name of
this module writes it again.

Plan: text that is safe to show · packets in a word · exchanges in part · the shapes · from a campaign to
a report · the schema.
"""

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from operator import is_
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, field, structs

from opalink.conformance.bundle.results import (
    Actor,
    Bound,
    Campaign,
    Changes,
    Covered,
    Environment,
    How,
    Result,
    Step,
    Timed,
)
from opalink.conformance.levels import MEANING, Reach
from opalink.conformance.papers.waivers import signature
from opalink.conformance.verdicts import EXITS, Conclusion, Verdict
from opalink.protocol import codec, text
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets.enums import Lane

FORMAT: Final = 3  # grows with every change that a reader must know of
LINES: Final = 120  # of one exchange that a report shows; the recording has all
BYTES: Final = 512  # of one packet
SCHEMA: Final = Path(__file__).with_name("report.schema.json")

# ── Text that is safe to show ────────────────────────────────────────────────────────────────────────


def printable(words: str) -> str:
    """Text with everything that has no shape of its own spelt out: controls, invisible characters, surrogates."""
    if words.isprintable():
        return words
    shown = "".join(c if c.isprintable() or c in "\n\t" else f"\\u{{{ord(c):x}}}" for c in words)
    return words if shown == words else shown


T = TypeVar("T")


def clean(value: T) -> T:
    """The same record with all text in it made printable."""
    match value:
        case str() if type(value) is str:
            return printable(value)  # type: ignore[return-value]
        case tuple():
            new = tuple(map(clean, value))
            return value if all(map(is_, new, value)) else new  # type: ignore[return-value]
        case Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            changed = {name: v for name, old in fields.items() if (v := clean(old)) is not old}
            return structs.replace(value, **changed) if changed else value
    return value


# ── Packets in a word ────────────────────────────────────────────────────────────────────────────────


def lane_name(lane: int) -> str:
    """ "laser" """
    return Lane(lane).name.lower() if lane in Lane.__members__.values() else f"lane {lane}"


def packet_name(data: bytes) -> str:
    """A packet's type, form and, in a response, status: "PWR_REQUEST response OK"."""
    try:
        packet = codec.decode(data)
    except DecodeError as error:
        if error.packet is None:
            return "undecodable"
        packet = error.packet
    declared = catalogue().by_code.get(packet.type)
    name = declared.name if declared else f"type {int(packet.type):#04x}"
    status = f" {getattr(packet.status, 'name', packet.status)}" if packet.rsp else ""
    form = "response" if packet.rsp else text.form_of(packet).value
    return f"{name} {form}{status}"


# ── Exchanges in part ────────────────────────────────────────────────────────────────────────────────


def excerpt(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The whole exchange, or its beginning and its end where it is long."""
    if len(steps) <= LINES:
        return steps
    half = LINES // 2
    gap = Step(steps[half].time, Actor.SUITE, note=f"{len(steps) - 2 * half} more lines are in the recording.")
    return *steps[:half], gap, *steps[-half:]


# ── The shapes ───────────────────────────────────────────────────────────────────────────────────────


class Summary(Struct, frozen=True):
    """How many tests ended how."""

    passed: int = field(name="pass")
    failed: int = field(name="fail")
    inconc: int
    error: int
    na: int
    notrun: int


class Requirements(Struct, frozen=True):
    """How many requirements apply, and how many of these a test, a monitor or a stated reason covers."""

    total: int
    active: int
    passive: int
    reasoned: int


class Exchanged(Struct, frozen=True):
    """One line of an exchange: a packet as hexadecimal with its name, or a note. `time` is in nanoseconds; `data` is
    the beginning of a packet of `size` bytes."""

    time: int
    actor: Actor
    lane: str
    packet: str
    size: int
    data: str
    note: str


class Tested(Struct, frozen=True):
    """A test and what became of it. `charged` are the requirements found violated, `replay` the command that runs it
    again, `capture` its recording within the bundle; `span` is in nanoseconds. `level` is the lowest at which it can
    be run, and `owed` whether it is missing there if it was not. Of a long `exchange` the beginning and the end are
    here. `signature` is what a waiver knows a failure by, `waived` the ID of the one that it has."""

    id: str
    verdict: Verdict
    level: str
    owed: bool
    requirements: tuple[str, ...]
    charged: tuple[str, ...]
    sentence: str
    needs: tuple[str, ...]
    reason: str
    expected: str
    actual: str
    span: int
    replay: str
    capture: str
    timings: tuple[Timed, ...]
    signature: str
    waived: str
    exchange: tuple[Exchanged, ...]


class Report(Struct, frozen=True):
    """The result of a campaign of opalink against one implementation. The verdict holds at `level` and says nothing of
    higher ones; it is empty where only a selection was run. `asked` is the level that was asked for, if one was."""

    format: int
    verdict: Conclusion
    level: str
    asked: str
    exit: int
    reason: str
    summary: Summary
    requirements: Requirements
    iut: str
    bound: Bound
    plan: str
    profile: str
    role: str
    selection: str
    seed: int
    nonce: str
    clock: str
    plane: str
    spec: str
    catalogue: str
    warnings: tuple[str, ...]
    tests: tuple[Tested, ...]
    coverage: tuple[Covered, ...]
    pics: str
    environment: Environment
    changes: Changes | None


# ── From a campaign to a report ──────────────────────────────────────────────────────────────────────


_COVERING: Final = (How.ACTIVE, How.PASSIVE, How.REASONED)


def replay(campaign: Campaign, result: Result) -> str:
    """The command that runs one test again, for a shell."""
    where = ["--plane", "flit"] if campaign.plane == "flit" else []  # else it is met where it was met here
    where += ["--pixit", "pixit.toml"] if campaign.pixit else []
    where += ["--nonce", campaign.nonce] if campaign.nonce else []
    return shlex.join(["opalink", "certify", campaign.iut, "-k", result.id, "--seed", str(campaign.seed), *where])


def at_level(campaign: Campaign) -> str:
    """ "level L2, packets and removal", or what stands in place of a level."""
    if not campaign.level:
        return "no level: a selection was run" if campaign.selection else "no level"
    return f"level {campaign.level}, {MEANING[Reach(campaign.level)]}"


def left_out(campaign: Campaign) -> list[str]:
    """What was not run, by level and reason: a sentence each."""
    groups = Counter((r.level, r.reason) for r in campaign.results if r.verdict is Verdict.NOTRUN)
    return [
        f"{n} test{' of level' if n == 1 else 's of level'} {level} {'was' if n == 1 else 'were'} not run. {reason}"
        for (level, reason), n in sorted(groups.items())
    ]


def captured(result: Result) -> str:
    """Where the recording of a test lies in the bundle; empty where none is kept."""
    return f"captures/{result.id}.pcapng" if result.steps else ""


def report(campaign: Campaign) -> Report:
    """What report.json says."""
    c = clean(campaign)
    return Report(
        format=FORMAT,
        verdict=c.verdict,
        level=c.level,
        asked=c.asked,
        exit=EXITS[c.verdict],
        reason=c.reason,
        summary=msgspec.convert(c.summary, Summary),
        requirements=Requirements(c.coverage.total, *(c.coverage.count(how) for how in _COVERING)),
        iut=c.iut,
        bound=c.bound,
        plan=c.plan,
        profile=c.profile,
        role=c.role,
        selection=c.selection,
        seed=c.seed,
        nonce=c.nonce,
        clock=c.clock,
        plane=c.plane,
        spec=c.spec,
        catalogue=c.catalogue,
        warnings=c.warnings,
        tests=tuple(_test(c, r) for r in c.results),
        coverage=c.coverage.requirements,
        pics=c.pics,
        environment=c.environment,
        changes=c.changes,
    )


def _test(c: Campaign, r: Result) -> Tested:
    return Tested(
        id=r.id,
        verdict=r.verdict,
        level=r.level,
        owed=r.owed,
        requirements=r.requirements,
        charged=r.charged,
        sentence=r.sentence,
        needs=r.needs,
        reason=r.reason,
        expected=r.expected,
        actual=r.actual,
        span=r.span,
        replay=replay(c, r),
        capture=captured(r),
        timings=r.timings,
        signature=signature(r) if r.verdict in (Verdict.FAIL, Verdict.INCONC) else "",
        waived=r.waived,
        exchange=tuple(_exchanged(s) for s in excerpt(r.steps)),
    )


def _exchanged(s: Step) -> Exchanged:
    name = packet_name(s.data) if s.data and not s.on_lane else ""
    return Exchanged(s.time, s.actor, lane_name(s.lane), name, len(s.data), s.data[:BYTES].hex(), s.note)


def to_json(campaign: Campaign) -> bytes:
    """report.json, the same bytes for the same campaign."""
    return msgspec.json.format(msgspec.json.encode(report(campaign)), indent=1) + b"\n"


# ── The schema ───────────────────────────────────────────────────────────────────────────────────────


def schema() -> str:
    """The JSON Schema of report.json."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "opalink report.json"}
    made: Mapping[str, Any] = msgspec.json.schema(Report)
    return json.dumps({**head, **made}, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
