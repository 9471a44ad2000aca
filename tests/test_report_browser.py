"""report.html in a browser: it can be read in both kinds of light, filtered, and used with the keyboard alone.

Plan: the browser · the filter · keys · what is unpacked · hostile text · what can be read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opalink.conformance.bundle import html
from opalink.conformance.bundle.results import Campaign
from opalink.conformance.verdicts import Verdict
from tests.browser import CHROMIUM, Browser
from tests.report_samples import ACCEPTED, FAILED, HOSTILE, campaign, result, steps
from tests.test_report import hostile

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")

# ── The browser ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def show(browser: Browser, folder: Path, run: Campaign, fragment: str = "") -> None:
    page = folder / "report.html"
    page.write_text(html.render(run), encoding="utf-8")
    browser.open(page, fragment)


def shown(browser: Browser) -> set[str]:
    """The tests that the filter leaves."""
    return set(browser.run("[...document.querySelectorAll('.case:not([hidden])')].map(k => k.id)"))


def choose(browser: Browser, control: str, value: str) -> None:
    browser.run(
        f"(() => {{ const c = document.getElementById('filter-{control}'); c.value = '{value}';"
        "c.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )


# ── The filter ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verdict", Verdict)
def test_the_filter_leaves_one_verdict(browser: Browser, tmp_path: Path, verdict: Verdict) -> None:
    show(browser, tmp_path, FAILED)
    assert shown(browser) == {r.id for r in FAILED.results}
    choose(browser, "verdict", verdict)
    wanted = {r.id for r in FAILED.results if r.verdict is verdict}
    assert shown(browser) == wanted
    assert browser.run("document.getElementById('filter-shown').value") == f"{len(wanted)} of 8 tests"
    visible = browser.run("[...document.querySelectorAll('.case')].filter(k => k.checkVisibility()).map(k => k.id)")
    assert set(visible) == wanted  # groups that were closed are open
    choose(browser, "verdict", "")
    assert shown(browser) == {r.id for r in FAILED.results}


def test_the_filter_leaves_one_area(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, FAILED)
    choose(browser, "area", "WIRE")
    assert shown(browser) == {"MOD/WIRE/PWR_BUDGET/RB-crc"}
    areas = browser.run("[...document.querySelectorAll('.area:not([hidden])')].map(a => a.dataset.area)")
    assert areas == ["WIRE"]


@pytest.mark.parametrize("words", ["R-WIRE-021", "r-wire-021", "RB-crc", "  wire crc "])
def test_the_filter_finds_requirements_and_tests(browser: Browser, tmp_path: Path, words: str) -> None:
    show(browser, tmp_path, FAILED)
    choose(browser, "words", words)
    assert shown(browser) == {"MOD/WIRE/PWR_BUDGET/RB-crc"}
    choose(browser, "words", "nothing is called so")
    assert shown(browser) == set()
    assert browser.run("document.querySelector('.file').closest('details').checkVisibility()")  # which is no test


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_test_is_reached_and_opened_by_the_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, FAILED)
    seen: set[str] = set()
    for _ in range(200):
        browser.press("Tab", 9)
        if browser.run("document.activeElement === document.body"):
            break
        state = browser.run(
            "(() => { const s = document.activeElement.closest('.list > summary, .case > summary');"
            "return s && [s.parentElement.id, s.parentElement.open] })()"
        )
        if state and not state[1]:
            browser.press("Enter", 13)
        if state and state[0]:
            seen.add(state[0])
    assert seen == {r.id for r in FAILED.results}
    browser.until("document.querySelectorAll('.case[open] > .inside').length === 8")


def test_arrows_go_from_line_to_line_and_open_and_close(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, FAILED, f"#{FAILED.results[1].id}")
    at = "document.activeElement.parentElement.id"
    opened = "document.activeElement.parentElement.open"
    browser.until(f"{at} === '{FAILED.results[1].id}'")
    assert browser.run(opened)
    browser.press("ArrowLeft", 37)
    assert not browser.run(opened)
    browser.press("ArrowDown", 40)
    assert browser.run(at) == FAILED.results[2].id
    browser.press("ArrowUp", 38)
    assert browser.run(at) == FAILED.results[1].id
    browser.press("ArrowRight", 39)
    assert browser.run(opened)
    browser.press("/")
    assert browser.run("document.activeElement.id") == "filter-words"
    browser.press("x")
    assert shown(browser) < {r.id for r in FAILED.results}
    browser.press("Escape", 27)
    assert shown(browser) == {r.id for r in FAILED.results}


# ── What is unpacked ─────────────────────────────────────────────────────────────────────────────────


def test_a_test_that_is_linked_to_is_unpacked_and_shown(browser: Browser, tmp_path: Path) -> None:
    show(
        browser,
        tmp_path,
        campaign(result(Verdict.PASS, steps=steps(ACCEPTED))),
        "#MOD/PWR/PWR_BUDGET/BI-g.cause.unknown_member",
    )
    browser.until("document.querySelector('.case[open] .ladder')")
    assert "PWR_BUDGET request" in browser.run("document.querySelector('.case .ladder').innerText")
    browser.run("document.querySelector('.ladder .tester details').open = true")
    assert "0000  10 45" in browser.run("document.querySelector('.ladder .tester .hex').innerText")
    assert browser.said == []


def test_without_scripts_the_failures_can_still_be_read(browser: Browser, tmp_path: Path) -> None:
    browser.scripts(on=False)
    try:
        show(browser, tmp_path, FAILED)
        assert not browser.run("document.getElementById('filter').checkVisibility()")
        assert browser.run("document.querySelectorAll('.fail .ladder').length") == 3
        assert browser.run("document.querySelectorAll('.case').length") == 8
    finally:
        browser.scripts(on=True)


# ── Hostile text ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        HOSTILE,
        "</script><script>document.title='hurt'</script>",
        "<img src=x onerror=\"document.title='hurt'\">",
        "\u202e\u2066\x00\x1b[2J",
        "<!--<script>",
        "</details></main><base href='https://example.org/'>",
    ],
)
def test_nobody_who_is_quoted_is_obeyed(browser: Browser, tmp_path: Path, words: str) -> None:
    run = hostile(words)
    spoken = result(Verdict.PASS, "BV-packed", actual=words, steps=run.results[0].steps)
    show(browser, tmp_path, campaign(*run.results, spoken, bound=run.bound, pics=words, iut=words))
    title = browser.run("document.title")
    browser.run("for (const k of document.querySelectorAll('details')) k.open = true")
    browser.until("[...document.querySelectorAll('.case')].every(k => k.querySelector('.facts'))")
    assert browser.run("document.title") == title != "hurt"
    assert browser.run("document.querySelectorAll('script, img, base, iframe').length") == 2
    assert browser.run("performance.getEntriesByType('resource').length") == 0
    assert browser.said == []
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", browser.run("document.documentElement.textContent"))


# ── What can be read ─────────────────────────────────────────────────────────────────────────────────

_CONTRAST = """(() => {
  const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => rgb(c).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c; } };
  const out = [];
  for (const e of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest(".none, option")) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) out.push(`${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return out;
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser: Browser, tmp_path: Path, dark: bool) -> None:
    """4.5 to 1, as WCAG 2 asks (1.4.3, AA); the zeros of the table of coverage aside."""
    browser.dark(dark)
    show(browser, tmp_path, FAILED)
    browser.run("for (const k of document.querySelectorAll('details')) k.open = true")
    browser.until("[...document.querySelectorAll('.case')].every(k => k.querySelector('.facts'))")
    assert browser.run(_CONTRAST) == []
    assert (browser.run("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 22, 24)") is dark


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_the_page_fits_every_width(browser: Browser, tmp_path: Path, width: int) -> None:
    browser.size(width, 900)
    show(browser, tmp_path, FAILED)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_what_is_read_aloud_has_names_and_an_order(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, FAILED)
    assert browser.run("document.documentElement.lang") == "en"
    assert browser.run("['main', 'header', 'footer', 'h1'].map(t => document.querySelectorAll(t).length)") == [1] * 4
    assert browser.run("[...document.querySelectorAll('input, select')].every(c => c.labels.length === 1)")
    assert browser.run(
        "[...document.querySelectorAll('summary')].every(s => s.innerText.trim() || !s.checkVisibility())"
    )
    ids = browser.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)
