"""report.html: a page for people that needs no network, and obeys nobody who is quoted in it.

Plan: the page as it is parsed · what it says · what is packed · times, and the PICS · the null
baseline · hostile text · size.
"""

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance import baseline
from opalink.conformance.bundle import html, ladder, report
from opalink.conformance.bundle.results import Actor, Campaign, Coverage, Step, Timed
from opalink.conformance.papers import pics
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import MS
from tests.report_samples import ACCEPTED, FAILED, HOSTILE, MEMBER, PASSED, campaign, result, steps
from tests.test_report import hostile

# ── The page as it is parsed ─────────────────────────────────────────────────────────────────────────

_VOID = {"meta", "link", "br", "img", "input", "hr"}
_INLINE = {"a", "b", "code", "strong"}


class Page(HTMLParser):
    """Elements, attributes and text; fails where the nesting is broken."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.words += [] if tag in _INLINE else [" "]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.mark.parametrize("run", [PASSED, FAILED, campaign(), hostile(HOSTILE)])
def test_the_page_needs_nothing_but_itself(run: Campaign) -> None:
    text = html.render(run)
    page = Page(text)
    assert not {"iframe", "img", "link", "object", "embed", "base", "svg"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in {"href", "src", "action", "srcset"}:
            assert value.startswith(("#", "captures/")), value
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


def test_the_one_script_is_ours_and_no_other_is_let_run() -> None:
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html.render(hostile(HOSTILE)), re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [' type="application/json" id="packed"', ""]
    digest = base64.b64encode(hashlib.sha256(scripts[1][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.render(PASSED)
    for word in ("eval", "innerHTML", "fetch", "XMLHttpRequest", "import"):
        assert word not in scripts[1][1]


def test_both_kinds_of_light() -> None:
    text = html.render(PASSED)
    assert "prefers-color-scheme: dark" in text
    assert '<meta name="color-scheme" content="light dark">' in text


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("conclusion", Conclusion)
def test_the_verdict_comes_first(conclusion: Conclusion) -> None:
    run = campaign(result(Verdict.PASS), conclusion=conclusion)
    text = html.render(run)
    (headline,) = re.findall(r"<h1>(.*?)</h1>", text)
    assert (headline == "Conformant") is (conclusion is Conclusion.CONFORMANT)


@pytest.mark.parametrize(
    ("run", "gist"),
    [
        (FAILED, "3 of 6 tests failed, against 2 requirements."),
        (PASSED, "The one test that ran has passed."),
        (campaign(), "Not one test was executed."),
        (campaign(result(Verdict.NA), result(Verdict.NOTRUN)), "Not one test was executed."),
        (campaign(result(Verdict.PASS), result(Verdict.INCONC)), "1 of 2 tests passed; the others have not decided."),
    ],
)
def test_the_verdict_in_a_sentence(run: Campaign, gist: str) -> None:
    assert gist in Page(html.render(run)).text


def test_the_obligation_stands_before_everything_else_of_a_failure() -> None:
    text = Page(html.render(FAILED)).text
    section = text[text.index("Failures") : text.index("Requirements")]
    requirement = catalogue().requirement[MEMBER].text.replace("`", "")
    places = [
        section.index(words)
        for words in (
            requirement,
            "MOD/PWR/PWR_BUDGET/BI-g.cause.unknown_member",
            "Expected A response with BAD_VALUE.",
            "Actual A response with OK.",
            "opalink certify",
            "PWR_BUDGET request max",
        )
    ]
    assert places == sorted(places)


def test_every_failure_stands_under_a_requirement() -> None:
    text = html.render(FAILED)
    findings = re.findall(r'<section class="finding fail">(.*?)</section>', text, re.DOTALL)
    assert len(findings) == 2
    for finding in findings:
        assert finding.index('class="rule"') < finding.index('class="case fail"')
    assert sum(finding.count('<details class="case ') for finding in findings) == 3


def test_the_exchange_is_a_ladder_of_decoded_packets() -> None:
    text = html.render(FAILED)
    page = Page(text).text
    assert "PWR_BUDGET request max 900 mW, grace 250 ms, cause 99" in page
    assert "txn 7, status OK (0), channel POWER (2)" in page
    assert "0000 10 45" in page
    assert "undecodable" in page
    assert "attach, quality 100 %" in page
    assert '<li class="iut ok laser">' in text
    assert '<li class="iut refused laser">' in text
    assert '<li class="iut broken sideband">' in text


def test_requirements_are_shown_by_area_with_what_covers_them() -> None:
    page = Page(html.render(FAILED)).text
    for group in catalogue().groups:
        assert group.doc in page
    reasoned = next(r for r in FAILED.coverage.requirements if r.reason)
    assert " ".join(reasoned.reason.split()) in page


def test_what_did_not_run_says_why() -> None:
    page = Page(html.render(FAILED)).text
    assert "The bench cannot detach. 1 test" in page
    assert "The module has CONTRACT. 1 test" in page


def test_a_requirement_unknown_to_the_catalogue_is_still_shown() -> None:
    page = Page(html.render(campaign(result(Verdict.FAIL, charged=("R-XYZ-001",))))).text
    assert "This requirement is not in the catalogue. R-XYZ-001" in page


# ── What is packed ───────────────────────────────────────────────────────────────────────────────────


def packed(text: str) -> list[str]:
    """What a browser finds when it unpacks everything."""
    (data,) = re.findall(r'id="packed">(.*?)</script>', text)
    return [piece for chunk in json.loads(data) for piece in json.loads(zlib.decompress(base64.b64decode(chunk)))]


def test_every_test_is_in_the_page_or_packed() -> None:
    text = html.render(FAILED)
    places = re.findall(r'data-pack="0\.(\d+)"', text)
    assert sorted(map(int, places)) == list(range(len(packed(text))))
    drawn = re.findall(r'<details class="case \w+"[^>]*?id="([^"]+)"[^>]*?requirements="[^"]*">', text)
    assert len(drawn) + len(places) == len(FAILED.results)
    assert len(drawn) == 5


def test_a_test_that_passed_shows_its_exchange_too() -> None:
    (piece,) = packed(html.render(campaign(result(Verdict.PASS, steps=steps(ACCEPTED)))))
    for words in ("PWR_BUDGET", "KEEPALIVE", "opalink certify", 'class="ladder"', catalogue().requirement[MEMBER].id):
        assert words in piece
    assert "The test ended here." not in piece


def test_chunks_hold_what_their_places_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "CHUNK", 2000)
    text = html.render(campaign(*(result(Verdict.PASS, f"BV-{i}") for i in range(20))))
    (data,) = re.findall(r'id="packed">(.*?)</script>', text)
    chunks = [json.loads(zlib.decompress(base64.b64decode(chunk))) for chunk in json.loads(data)]
    assert len(chunks) > 5
    for name, chunk, index in re.findall(r'id="([^"]+)" [^>]*data-pack="(\d+)\.(\d+)"', text):
        assert f"-k {name} " in chunks[int(chunk)][int(index)]


def test_where_a_test_ended_stands_what_was_expected() -> None:
    text = html.render(FAILED)
    last = [line for line in text.splitlines() if line.startswith("<li") and line.endswith(' last">')]
    assert len(last) == 3
    assert "The test ended here. Expected: A response with BAD_VALUE. Actual: A response with OK." in Page(text).text


# ── Times, and the PICS ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("took", "slack", "mood"),
    [(12, 0, "ok"), (25, 0, "ok"), (26, 0, "broken"), (9, 0, "broken"), (24, 2, "unsure"), (26, 2, "unsure")],
)
def test_a_time_stands_beside_its_limits(took: int, slack: int, mood: str) -> None:
    timed = Timed("an answer", took * MS, 25 * MS, 10 * MS, slack * MS)
    shown = ladder.gauge(timed)
    assert shown.mood == mood
    assert f"{took} ms" in shown.words
    assert "allowed is 10 ms to 25 ms" in shown.words
    assert 0 <= shown.start < shown.end <= 100
    assert shown.low <= shown.at <= shown.high <= 100
    assert (shown.start <= shown.at <= shown.end) is (timed.margin >= 0)
    bad = result(Verdict.FAIL, timings=(timed,))
    assert shown.words in Page(html.render(campaign(bad))).text


@given(st.integers(-(1 << 63), 1 << 63), st.integers(0, 1 << 63), st.integers(0, 1 << 63))
def test_no_time_leaves_its_scale(took: int, limit: int, slack: int) -> None:
    shown = ladder.gauge(Timed("it", took, limit, None, slack))
    assert all(0 <= place <= 100 for place in (shown.start, shown.end, shown.at, shown.low, shown.high))


def test_contradictions_of_the_pics_stand_in_front() -> None:
    stated = pics.Pics(pics.Product(), "1.0", "", "module", "", {"STORAGE": True, "PLAN": False}, {"STORAGE": True},
                       {"STORAGE": False})  # fmt: skip
    page = Page(html.render(campaign(result(Verdict.PASS), pics=pics.write(stated)))).text
    found = page.index("STORAGE is declared and advertised, and does not work.")
    assert found < page.index("Requirements")
    assert "1 contradiction" in page
    assert "STORAGE STORAGE is declared and advertised, and does not work. yes yes no" in page
    assert "PLAN no not tried not tried" in page


# ── The null baseline ────────────────────────────────────────────────────────────────────────────────


def test_the_null_baseline_is_that_of_this_catalogue() -> None:
    """Otherwise: python -m opalink.conformance.baseline"""
    assert baseline.baseline().catalogue == catalogue().fingerprint
    assert len(baseline.baseline().passed) < baseline.baseline().tests / 100


@pytest.mark.parametrize("selection", ["MOD/BEN/BIND", "MOD/PROP/ACCESS"])
def test_the_null_baseline_is_what_silence_scores(selection: str) -> None:
    """On a sample: a subject in which silence passes something, and one in which it must not."""
    known = {id_ for id_ in baseline.baseline().passed if id_.startswith(selection)}
    assert set(baseline.measure(selection=selection).passed) == known
    assert bool(known) is (selection == "MOD/BEN/BIND")


def test_the_page_says_what_silence_would_have_scored() -> None:
    silent = result(Verdict.PASS, id=baseline.baseline().passed[0])
    page = Page(html.render(campaign(silent, result(Verdict.FAIL)))).text
    assert "A module that never says anything would have passed 1 of these 2 tests." in page


# ── Hostile text ─────────────────────────────────────────────────────────────────────────────────────


def test_a_hostile_product_name_is_text() -> None:
    text = html.render(hostile(HOSTILE))
    assert text.count("<script") == 2
    assert "{{7*7}}" in Page(text).text
    assert "\u202e" not in text
    assert "\x1b" not in text


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=30).filter(bool))
def test_no_text_breaks_the_page(words: str) -> None:
    text, other = html.render(hostile(words)), html.render(hostile("x"))
    assert Page(text).tags == Page(other).tags
    assert [Page(p).tags for p in packed(text)] == [Page(p).tags for p in packed(other)]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_break_the_page(data: bytes) -> None:
    bad = result(Verdict.FAIL, steps=(Step(1, Actor.IUT, 2, data), Step(2, Actor.TESTER, 77, data)))
    text = html.render(campaign(bad, coverage=Coverage()))
    assert text.count("<script") == 2
    Page(text)


# ── Size ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_failures_do_not_make_a_page_that_nobody_can_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "RUNGS", 20 * report.LINES)
    many = steps(ACCEPTED) * 30
    run = campaign(*(result(Verdict.FAIL, f"BI-g.{i}", steps=many) for i in range(1000)))
    text = html.render(run)
    assert text.count('<div class="ladder">') == html.LADDERS_EACH
    assert text.count('<details class="case fail"') == 1000
    assert sum("too many to draw" in piece for piece in packed(text)) == 1000 - 20
    assert f"{len(many) - report.LINES} more lines are in the recording." in text
    assert len(text) < 8_000_000


def test_long_packets_are_shown_in_part() -> None:
    assert ladder.hexdump(bytes(70_000)).endswith("…     69488 more bytes")
    assert ladder.hexdump(b"") == ""
    assert ladder.hexdump(b"OPAL\x00") == "0000  4f 50 41 4c 00                                   OPAL·".replace(
        " " * 35, " " * (23 - 14 + 2 + 23 + 2)
    )


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_500, "1.5 µs"),
        (20_000_000, "20 ms"),
        (1_250_000_000, "1.25 s"),
        (-5000, "-5 µs"),
    ],
)
def test_durations(ns: int, shown: str) -> None:
    assert ladder.duration(ns) == shown
