"""How long a browser takes to load report.html of a campaign of 5,000 tests, each with its exchange, a tenth failed."""

import tempfile
from pathlib import Path
from typing import Final

from opalink.conformance.bundle import html
from opalink.conformance.bundle.results import Campaign, Timed
from opalink.conformance.verdicts import Verdict
from opalink.spec.form import MS
from tests.browser import CHROMIUM, Browser
from tests.report_samples import ACCEPTED, campaign, result, steps

TESTS: Final = 5000
LIMIT: Final = 2.0  # seconds: what a reader waits for without wondering
_LOADED: Final = "(n => n && n.loadEventEnd)(performance.getEntriesByType('navigation')[0])"  # ms


def sample() -> Campaign:
    """The campaign whose report is loaded."""
    exchange = steps(ACCEPTED)
    timed = (Timed("an answer", 12 * MS, 25 * MS, 10 * MS, MS),)
    return campaign(
        *(
            result(Verdict.PASS if i % 10 else Verdict.FAIL, f"BI-g.{i}", steps=exchange, timings=timed)
            for i in range(TESTS)
        )
    )


def available() -> bool:
    return CHROMIUM is not None


def times(rounds: int = 7) -> list[float]:
    """Seconds from the start of the navigation to the end of the load, each time anew."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(html.render(sample()), encoding="utf-8")
        with Browser(Path(folder) / "profile") as browser:
            for _ in range(rounds + 1):
                browser.open(page)
                browser.until(_LOADED)
                taken.append(browser.run(_LOADED) / 1000)
    return taken[1:]  # without the first, in which the browser itself began
