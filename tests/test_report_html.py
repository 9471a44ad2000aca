"""report.html: a page for people that needs neither network nor script, and obeys nobody who is quoted in it.

Plan: the page as a browser reads it · what it says · hostile text · size.
"""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance import html
from opalink.conformance.results import Actor, Campaign, Coverage, Step
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.protocol.ir.load import catalogue
from tests.report_samples import ACCEPTED, FAILED, HOSTILE, MEMBER, PASSED, campaign, result, steps
from tests.test_report import hostile

# ── The page as a browser reads it ───────────────────────────────────────────────────────────────────

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
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.mark.parametrize("run", [PASSED, FAILED, campaign(), hostile(HOSTILE)])
def test_the_page_needs_nothing_but_itself(run: Campaign) -> None:
    text = html.render(run)
    page = Page(text)
    assert not {"script", "iframe", "img", "link", "object", "embed", "form", "base", "svg"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in {"href", "src", "action", "srcset"}:
            assert value.startswith(("#", "captures/")), value
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


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
        assert finding.index('class="rule"') < finding.index('class="case"')
    assert sum(finding.count('<details class="case"') for finding in findings) == 3


def test_the_exchange_is_a_ladder_of_decoded_packets() -> None:
    text = html.render(FAILED)
    page = Page(text).text
    assert "PWR_BUDGET request max 900 mW, grace 250 ms, cause 99" in page
    assert "txn 7, status OK (0), channel POWER (2)" in page
    assert "0000 10 45" in page
    assert "undecodable" in page
    assert "attach, quality 100 %" in page
    assert '<li class="iut ok">' in text
    assert '<li class="iut refused">' in text
    assert '<li class="iut broken">' in text


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


# ── Hostile text ─────────────────────────────────────────────────────────────────────────────────────


def test_a_hostile_product_name_is_text() -> None:
    text = html.render(hostile(HOSTILE))
    assert "<script" not in text
    assert "{{7*7}}" in Page(text).text
    assert "\u202e" not in text
    assert "\x1b" not in text


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=30).filter(bool))
def test_no_text_breaks_the_page(words: str) -> None:
    assert Page(html.render(hostile(words))).tags == Page(html.render(hostile("x"))).tags


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_break_the_page(data: bytes) -> None:
    bad = result(Verdict.FAIL, steps=(Step(1, Actor.IUT, 2, data), Step(2, Actor.TESTER, 77, data)))
    text = html.render(campaign(bad, coverage=Coverage()))
    assert "<script" not in text
    Page(text)


# ── Size ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_failures_do_not_make_a_page_that_nobody_can_open() -> None:
    many = steps(ACCEPTED) * 30
    run = campaign(*(result(Verdict.FAIL, f"BI-g.{i}", steps=many) for i in range(1000)))
    text = html.render(run)
    assert text.count('<div class="ladder">') == html.LADDERS_EACH
    assert text.count('<details class="case"') == 1000
    assert f"{len(many) - html.RUNGS} more lines are in the recording." in text
    assert len(text) < 8_000_000


def test_long_packets_are_shown_in_part() -> None:
    assert html.hexdump(bytes(70_000)).endswith("…     69488 more bytes")
    assert html.hexdump(b"") == ""
    assert html.hexdump(b"OPAL\x00") == "0000  4f 50 41 4c 00                                   OPAL·".replace(
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
    assert html.duration(ns) == shown
