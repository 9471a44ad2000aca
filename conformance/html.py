"""report.html: one static file for people. No script, no network; light or dark as the reader's system is.

The obligation comes first in every failure, then what was expected and what came, then the exchange as a ladder
between tester and implementation, each packet with its fields and its bytes, then the command that runs it again.

An implementation that violates everything must not make a report that no browser opens: ladders are drawn for the
first failures of each requirement, and the others have their recordings.

Plan: quantities · words · the ladder · failures · what else is shown · the page.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from msgspec import Struct

import opalink
from opalink.conformance import report
from opalink.conformance.results import Actor, Campaign, Covered, How, Result, Step
from opalink.conformance.verdicts import EXITS, Conclusion, Verdict
from opalink.protocol import codec, text
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.obligations import SPACE_AREA
from opalink.protocol.packets import Lane

LADDERS_EACH: Final = 8  # for one requirement
LADDERS: Final = 400  # in the whole report
RUNGS: Final = 120  # of one ladder
HEX_BYTES: Final = 512
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
    for at in range(0, min(len(data), HEX_BYTES), 16):
        row = data[at : at + 16]
        shown = "".join(chr(b) if 0x20 <= b < 0x7F else "·" for b in row)
        lines.append(f"{at:04x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}")
    if len(data) > HEX_BYTES:
        lines.append(f"…     {len(data) - HEX_BYTES} more bytes")
    return "\n".join(lines)


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────

_MARKS: Final = re.compile(r"`([^`]+)`|\b(MUST(?: NOT)?|SHOULD(?: NOT)?|MAY)\b")
_PURPOSE: Final = re.compile(r"with \{(.*)\} ensure that \{when \{(.*)\} then \{(.*)\}\}", re.DOTALL)


def pieces(words: str) -> list[tuple[str, str]]:
    """A sentence, cut where its type changes: `code`, and the word that says how binding it is."""
    out = []
    at = 0
    for mark in _MARKS.finditer(words):
        out.append(("", words[at : mark.start()]))
        out.append(("code", mark[1]) if mark[1] else ("level", mark[2]))
        at = mark.end()
    return [*out, ("", words[at:])]


def purpose(sentence: str) -> list[tuple[str, str]]:
    """A purpose in TPLan's form, clause by clause."""
    form = _PURPOSE.fullmatch(sentence)
    return list(zip(("With", "When", "Then"), form.groups(), strict=True)) if form else [("Purpose", sentence)]


# ── The ladder ───────────────────────────────────────────────────────────────────────────────────────


class Rung(Struct, frozen=True):
    """A line of the ladder: a packet between the two, or a note. `mood` is how an answer went: ok, refused, broken."""

    actor: str
    time: str
    lane: str = ""
    name: str = ""
    fields: str = ""
    mood: str = ""
    tree: str = ""
    dump: str = ""
    note: str = ""


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


def _ladder(result: Result) -> list[Rung]:
    """The whole exchange, or its beginning and its end where it is long."""
    steps = result.steps
    if len(steps) <= RUNGS:
        return [_rung(s) for s in steps]
    half = RUNGS // 2
    gap = Rung("suite", "", note=f"{len(steps) - 2 * half} more lines are in the recording.")
    return [*(_rung(s) for s in steps[:half]), gap, *(_rung(s) for s in steps[-half:])]


# ── Failures ─────────────────────────────────────────────────────────────────────────────────────────


class Cited(Struct, frozen=True):
    """A requirement as a report quotes it."""

    id: str
    text: str


class Case(Struct, frozen=True):
    """A test that did not pass. `cited` are the requirements that it is about, beside the one it is filed under."""

    result: Result
    cited: tuple[Cited, ...]
    replay: str
    capture: str
    ladder: tuple[Rung, ...]


class Finding(Struct, frozen=True):
    """A requirement that was found violated, with the tests that say so."""

    requirement: Cited
    cases: tuple[Case, ...]


def cite(id_: str) -> Cited:
    known = catalogue().requirement.get(id_)
    return Cited(id_, known.text if known else "")


def _first(result: Result) -> str:
    return next(iter((*result.charged, *result.requirements)), "")


def _findings(campaign: Campaign) -> list[Finding]:
    """The failures by the requirement they violate, that with the most tests first."""
    filed: dict[str, list[Result]] = {}
    for result in campaign.results:
        if result.verdict is Verdict.FAIL:
            filed.setdefault(_first(result), []).append(result)
    drawn = 0
    findings = []
    for id_, results in sorted(filed.items(), key=lambda item: (-len(item[1]), item[0])):
        cases = []
        for i, result in enumerate(results):
            draw = i < LADDERS_EACH and drawn < LADDERS
            drawn += draw
            cases.append(_case(campaign, result, id_, draw))
        findings.append(Finding(cite(id_), tuple(cases)))
    return findings


def _case(campaign: Campaign, result: Result, filed: str, draw: bool) -> Case:
    others = dict.fromkeys((*result.charged, *result.requirements))
    others.pop(filed, None)
    ladder = _ladder(result) if draw else ()
    return Case(
        result, tuple(map(cite, others)), report.replay(campaign, result), quote(report.captured(result)), tuple(ladder)
    )


def _cases(campaign: Campaign, verdict: Verdict) -> list[Case]:
    """The tests that ended otherwise, in order."""
    found = [r for r in campaign.results if r.verdict is verdict]
    return [_case(campaign, r, "", i < LADDERS_EACH) for i, r in enumerate(found)]


# ── What else is shown ───────────────────────────────────────────────────────────────────────────────


class Area(Struct, frozen=True):
    """The requirements of one chapter that apply, and how they are covered."""

    name: str
    doc: str
    total: int
    violated: int
    active: int
    passive: int
    reasoned: int
    open: int
    requirements: tuple[Covered, ...]


def _areas(requirements: Iterable[Covered]) -> list[Area]:
    docs = {g.area: g.doc for g in reversed(catalogue().groups)} | {SPACE_AREA: "TLVs, wherever they stand."}
    split: dict[str, list[Covered]] = {}
    for r in requirements:
        if r.how is not How.NA:
            split.setdefault(r.id.split("-")[1] if "-" in r.id else r.id, []).append(r)
    areas = []
    for name, rows in split.items():
        by = {how: sum(r.how is how for r in rows) for how in How}
        violated = sum(r.verdict is Verdict.FAIL for r in rows)
        covered = by[How.ACTIVE], by[How.PASSIVE], by[How.REASONED]
        left = by[How.UNSEEN] + by[How.NONE]
        areas.append(Area(name, docs.get(name, ""), len(rows), violated, *covered, left, tuple(rows)))
    return areas


def _by_reason(campaign: Campaign, verdict: Verdict) -> dict[str, list[Result]]:
    out: dict[str, list[Result]] = {}
    for result in campaign.results:
        if result.verdict is verdict:
            out.setdefault(result.reason or "No reason was given.", []).append(result)
    return out


def _passed(campaign: Campaign) -> dict[str, list[Result]]:
    out: dict[str, list[Result]] = {}
    for result in campaign.results:
        if result.verdict is Verdict.PASS:
            out.setdefault("/".join(result.id.split("/")[:2]), []).append(result)
    return out


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────

_HEADLINES: Final = {
    Conclusion.CONFORMANT: ("pass", "Conformant"),
    Conclusion.NON_CONFORMANT: ("fail", "Not conformant"),
    Conclusion.INCONCLUSIVE: ("inconc", "Inconclusive"),
    Conclusion.TESTER_FAULT: ("error", "Fault of the tester"),
    Conclusion.NOTHING_RAN: ("notrun", "Nothing ran"),
    Conclusion.PICS_CONTRADICTED: ("fail", "The PICS is contradicted"),
}


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _gist(campaign: Campaign, findings: Sequence[Finding]) -> str:
    """The verdict in a sentence."""
    s = campaign.summary
    ran = sum(s.values()) - s[Verdict.NA] - s[Verdict.NOTRUN]
    if s[Verdict.FAIL]:
        return f"{s[Verdict.FAIL]:,} of {_count(ran, 'test')} failed, against {_count(len(findings), 'requirement')}."
    if not ran:
        return "Not one test was executed."
    if s[Verdict.PASS] == ran:
        return f"All {ran:,} tests that ran have passed." if ran > 1 else "The one test that ran has passed."
    return f"{s[Verdict.PASS]:,} of {_count(ran, 'test')} passed; the others have not decided."


@cache
def _page() -> Template:
    loader = PackageLoader("opalink.conformance", package_path="")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters |= {"count": _count, "pieces": pieces, "purpose": purpose}
    return page.get_template("report.html.j2")


def render(campaign: Campaign) -> str:
    """report.html, the same text for the same campaign."""
    campaign = report.clean(campaign)
    findings = _findings(campaign)
    mood, headline = _HEADLINES[campaign.verdict]
    return _page().render(
        c=campaign,
        mood=mood,
        headline=headline,
        level=report.at_level(campaign),
        left_out=report.left_out(campaign),
        gist=_gist(campaign, findings),
        exit=EXITS[campaign.verdict].value,
        findings=findings,
        undecided=_cases(campaign, Verdict.INCONC),
        errors=_cases(campaign, Verdict.ERROR),
        notrun=_by_reason(campaign, Verdict.NOTRUN),
        na=_by_reason(campaign, Verdict.NA),
        passed=_passed(campaign),
        areas=_areas(campaign.coverage.requirements),
        opalink=opalink.__version__,
    )
