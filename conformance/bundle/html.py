"""report.html: one static file for people. No network; light or dark as the reader's system is.

The obligation comes first in every failure, then what was expected and what came, then the exchange as a ladder
between tester and implementation, each packet with its fields and its bytes, then the command that runs it again.

The first failures are drawn in the page: they can be read where scripts do not run. The rest, of each test what there
is to say, is packed: HTML of the same templates, compressed, which the page's one script unpacks when a test is opened.
So an implementation that violates everything, or a campaign that keeps every exchange, does not make a report that no
browser opens.

Plan: words · tests · failures · what else is shown · the page.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct, structs

import opalink
from opalink.conformance import baseline, standing
from opalink.conformance.bundle import against, report
from opalink.conformance.bundle.ladder import Gauge, Rung, gauge, ladder
from opalink.conformance.bundle.results import Campaign, Covered, How, Result
from opalink.conformance.papers import pics
from opalink.conformance.verdicts import EXITS, Conclusion, Verdict
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.obligations import SPACE_AREA

LADDERS_EACH: Final = 8  # for one requirement, drawn in the page
LADDERS: Final = 100  # drawn in the page, of all
RUNGS: Final = 60_000  # in the whole report
CHUNK: Final = 128 << 10  # characters of HTML that are packed as one

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


# ── Tests ────────────────────────────────────────────────────────────────────────────────────────────


class Cited(Struct, frozen=True):
    """A requirement as a report quotes it."""

    id: str
    text: str


def cite(id_: str) -> Cited:
    known = catalogue().requirement.get(id_)
    return Cited(id_, known.text if known else "")


class Case(Struct, frozen=True):
    """A test. `cited` are the requirements that it is about, beside the one it is filed under. What is said of it
    stands in the page if it is `drawn`; `pack` is where the rest is, "chunk.index", if there is any."""

    result: Result
    cited: tuple[Cited, ...]
    replay: str
    capture: str
    timings: tuple[Gauge, ...]
    ladder: tuple[Rung, ...]
    drawn: bool = False
    pack: str = ""


class Cases:
    """Makes a test ready to be shown, and packs what is not drawn. `chunks` is what the page carries."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.chunks: list[str] = []
        self._waiting: list[str] = []
        self._size = 0
        self._rungs = RUNGS
        self._pieces = _environment().get_template("report.test.j2").module

    def case(self, result: Result, filed: str = "", *, drawn: bool = False) -> Case:
        others = dict.fromkeys((*result.charged, *result.requirements))
        others.pop(filed, None)
        rungs = ladder(result) if self._rungs > 0 else ()
        self._rungs -= len(rungs)
        case = Case(
            result, tuple(map(cite, others)), report.replay(self.campaign, result), quote(report.captured(result)),
            tuple(map(gauge, result.timings)), rungs, drawn,
        )  # fmt: skip
        return case if drawn else structs.replace(case, pack=self._pack(case))

    def _pack(self, case: Case) -> str:
        html = self._pieces.inside(case)  # type: ignore[attr-defined]  # a macro
        self._waiting.append(str(html))
        self._size += len(html)
        place = f"{len(self.chunks)}.{len(self._waiting) - 1}"
        if self._size > CHUNK:
            self.flush()
        return place

    def flush(self) -> None:
        """Close the chunk that is being filled."""
        data = zlib.compress(json.dumps(self._waiting).encode())
        self.chunks.append(base64.b64encode(data).decode())
        self._waiting, self._size = [], 0


# ── Failures ─────────────────────────────────────────────────────────────────────────────────────────


class Finding(Struct, frozen=True):
    """A requirement that was found violated, with the tests that say so."""

    requirement: Cited
    cases: tuple[Case, ...]


def _first(result: Result) -> str:
    return next(iter((*result.charged, *result.requirements)), "")


def _findings(cases: Cases) -> list[Finding]:
    """The failures by the requirement they violate, that with the most tests first."""
    filed: dict[str, list[Result]] = {}
    for result in cases.campaign.results:
        if result.verdict is Verdict.FAIL:
            filed.setdefault(_first(result), []).append(result)
    left = LADDERS
    findings = []
    for id_, results in sorted(filed.items(), key=lambda item: (-len(item[1]), item[0])):
        draw = min(LADDERS_EACH, left)
        left -= min(draw, len(results))
        made = tuple(cases.case(r, id_, drawn=i < draw) for i, r in enumerate(results))
        findings.append(Finding(cite(id_), made))
    return findings


def _undecided(cases: Cases, verdict: Verdict) -> list[Case]:
    """The tests that ended otherwise, in order."""
    found = [r for r in cases.campaign.results if r.verdict is verdict]
    return [cases.case(r, drawn=i < LADDERS_EACH) for i, r in enumerate(found)]


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


def _by_reason(cases: Cases, verdict: Verdict) -> dict[str, list[Case]]:
    out: dict[str, list[Case]] = {}
    for result in cases.campaign.results:
        if result.verdict is verdict:
            out.setdefault(result.reason or "No reason was given.", []).append(cases.case(result))
    return out


def _passed(cases: Cases) -> dict[str, list[Case]]:
    out: dict[str, list[Case]] = {}
    for result in cases.campaign.results:
        if result.verdict is Verdict.PASS:
            out.setdefault("/".join(result.id.split("/")[:2]), []).append(cases.case(result))
    return out


class Claim(Struct, frozen=True):
    """A feature: whether it is declared, advertised, observed (None: not tried), and what is wrong with that."""

    name: str
    marks: tuple[bool | None, bool | None, bool | None]
    wrong: str


def _claims(campaign: Campaign) -> list[Claim]:
    """The PICS, a row for each feature; none where there is no PICS that could be read."""
    try:
        p = pics.read(campaign.pics, catalogue())
    except pics.PicsError:
        return []
    names = dict.fromkeys((*p.features, *p.advertised, *p.observed))
    marks = {n: (p.features.get(n, False), p.advertised.get(n), p.observed.get(n)) for n in names}
    wrong = {n: pics.contradictions(p.features, {n: p.advertised[n]}, p.observed) for n in p.advertised}
    return [Claim(n, m, " ".join(wrong.get(n, ()))) for n, m in marks.items()]


def _silence(campaign: Campaign) -> str:
    """The null baseline, in a sentence."""
    ran = [r.id for r in campaign.results if r.verdict not in (Verdict.NA, Verdict.NOTRUN)]
    found = baseline.score(ran) if campaign.role == "module" else None
    if found is None or not ran:
        return ""
    return f"A module that never says anything would have passed {found:,} of these {_count(len(ran), 'test')}."


def _trust(campaign: Campaign) -> str:
    """How far the tests can be trusted that ran, in a sentence."""
    ran = [r.id for r in campaign.results if r.verdict not in (Verdict.NA, Verdict.NOTRUN)]
    found = standing.stable(ran) if campaign.role == "module" else None
    if found is None or not ran:
        return ""
    return f"{found:,} of these {_count(len(ran), 'test')} are stable: two readings of the text agree on them."


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────

_HEADLINES: Final = {
    Conclusion.CONFORMANT: ("pass", "Conformant"),
    Conclusion.NON_CONFORMANT: ("fail", "Not conformant"),
    Conclusion.INCONCLUSIVE: ("inconc", "Inconclusive"),
    Conclusion.TESTER_FAULT: ("error", "Fault of the tester"),
    Conclusion.NOTHING_RAN: ("notrun", "Nothing ran"),
    Conclusion.PICS_CONTRADICTED: ("fail", "The PICS is contradicted"),
    Conclusion.KNOWN: ("inconc", "Known failures only"),
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
def _environment() -> Environment:
    loader = PackageLoader("opalink.conformance.bundle", package_path="")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"count": _count, "pieces": pieces, "purpose": purpose}
    return made


def _digest(script: str) -> str:
    """What a content security policy calls a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def render(campaign: Campaign) -> str:
    """report.html, the same text for the same campaign."""
    campaign = report.clean(campaign)
    cases = Cases(campaign)
    findings = _findings(cases)
    undecided, errors = (_undecided(cases, v) for v in (Verdict.INCONC, Verdict.ERROR))
    notrun, na = (_by_reason(cases, v) for v in (Verdict.NOTRUN, Verdict.NA))
    passed = _passed(cases)
    cases.flush()
    claims = _claims(campaign)
    mood, headline = _HEADLINES[campaign.verdict]
    env = _environment()
    return env.get_template("report.html.j2").render(
        c=campaign,
        mood=mood,
        headline=headline,
        level=report.at_level(campaign),
        left_out=report.left_out(campaign),
        gist=_gist(campaign, findings),
        exit=EXITS[campaign.verdict].value,
        findings=findings,
        undecided=undecided,
        errors=errors,
        notrun=notrun,
        na=na,
        passed=passed,
        chunks=cases.chunks,
        script=_digest(env.get_template("report.js.j2").render()),
        claims=claims,
        contradictions=[c.wrong for c in claims if c.wrong],
        silence=_silence(campaign),
        trust=_trust(campaign),
        changes=against.sentences(campaign.changes) if campaign.changes else [],
        test_areas=sorted({r.id.split("/")[1] for r in campaign.results if "/" in r.id}),
        areas=_areas(campaign.coverage.requirements),
        opalink=opalink.__version__,
    )
