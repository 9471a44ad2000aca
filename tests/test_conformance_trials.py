"""What a failure in real time is worth, and what the watches that only time can judge say.

Plan: trials · the host · uncertainty · a campaign under load · what flows.
"""

from pathlib import Path

import pytest

from opalink.conformance import Verdict, trials
from opalink.conformance.bundle.results import Result
from opalink.conformance.purposes import Exchange, Oracle, Purpose
from opalink.conformance.tester.ledger import Ledger
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.trials import BUSY, TIMES, Host, Trial, conclude
from opalink.protocol import codec
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, PwrStatus
from opalink.spec.form import MS, Role
from tests.realtime import load, run, timing

SCENARIO = Purpose("MOD/X/Y/BV-z", ("R-WIRE-023",), "", "a_function")
EXCHANGE = Purpose("MOD/X/Y/BI-z", ("R-WIRE-020",), "", Exchange(1, b"", Oracle.REFUSED))
BRIEF = Purpose("MOD/X/Y/BO-z", ("R-WIRE-027",), "", Exchange(1, b"", Oracle.REFUSED, state="HARD_RESET"))

# ── Trials ───────────────────────────────────────────────────────────────────────────────────────────


def _trials(verdicts: str, waiting: float = 0.0, actual: str = "other") -> list[Trial]:
    """One trial a letter: f for fail, p for pass."""
    return [
        Trial(
            Result("MOD/X", Verdict.FAIL if v == "f" else Verdict.PASS, ("R-WIRE-023",), "", expected="this",
                   actual=actual.format(n)),
            waiting,
        )
        for n, v in enumerate(verdicts)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "verdicts", "waiting", "actual", "verdict"),
    [
        (SCENARIO, "p", 1.0, "other", Verdict.PASS),
        (SCENARIO, "fp", 0.0, "other", Verdict.INCONC),
        (SCENARIO, "ffp", 0.0, "other", Verdict.INCONC),
        (SCENARIO, "fff", 0.0, "other", Verdict.FAIL),
        (SCENARIO, "fff", BUSY, "other", Verdict.INCONC),
        (SCENARIO, "f", BUSY, "a crash", Verdict.FAIL),
        (EXCHANGE, "fff", BUSY, "other", Verdict.FAIL),
        (EXCHANGE, "fff", BUSY, "after {} ns", Verdict.INCONC),
        (BRIEF, "fff", BUSY, "other", Verdict.INCONC),
    ],
)
def test_a_failure_counts_where_the_host_cannot_have_made_it(
    purpose: Purpose, verdicts: str, waiting: float, actual: str, verdict: Verdict
) -> None:
    made = conclude(purpose, _trials(verdicts, waiting, actual))
    assert made.verdict is verdict
    assert bool(made.reason) is (verdict is Verdict.INCONC)
    assert TIMES == 3


# ── The host ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_host_gives_a_share_with_and_without_the_kernels_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "cpu"
    monkeypatch.setattr(trials, "PRESSURE", account)
    host = Host()
    host.begin()
    assert 0 <= host.waiting() <= 1  # there is no account: by work of its own
    account.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 total=0\n")
    host.begin()
    assert host.waiting() == 0
    account.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=900000000\n")
    assert host.waiting() == 1
    account.write_text("nonsense")
    assert 0 <= host.waiting() <= 1


# ── Uncertainty ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("waited", "slack", "kept", "broken", "open_"),
    [(50, 0, 1, 0, 0), (51, 0, 0, 1, 0), (50, 2, 1, 0, 0), (52, 2, 0, 0, 1), (53, 2, 0, 1, 0)],
)
def test_what_is_late_by_no_more_than_the_bench_is_left_open(
    waited: int, slack: int, kept: int, broken: int, open_: int
) -> None:
    ledger = Ledger(catalogue(), Role.MODULE, slack * MS)
    ledger.begin()
    ledger.in_time("R-WIRE-023", waited * MS, 50 * MS, "an answer")
    assert (ledger.seen["R-WIRE-023"], ledger.broken["R-WIRE-023"], len(ledger.unsure)) == (kept, broken, open_)


# ── A campaign under load ────────────────────────────────────────────────────────────────────────────


def test_a_conforming_module_is_failed_nowhere_under_load() -> None:
    with load(2):
        made = run("macro-tube", 1, "MOD/WIRE/TXN or MOD/ATT/BEACON or MOD/MGT/KEEPALIVE")
    assert made.clock == "real"
    assert made.summary["fail"] == made.summary["error"] == 0
    assert made.summary["pass"] > 0
    assert timing(made)[1] > 0


# ── What flows ───────────────────────────────────────────────────────────────────────────────────────


def _reports(*reports: tuple[int, int, int]) -> Monitor:
    """A monitor that has heard PWR_STATUS at these times in ms, of these powers in mW and energies in mJ."""
    monitor = Monitor(catalogue(), Role.MODULE)
    for at, power, energy in reports:
        body = PwrStatus(voltage=5000, current=power // 5, power=power, energy=energy)
        monitor.hear(at * MS, Lane.SIDEBAND, codec.encode(codec.event(body, t_ns=at * MS)))
    return monitor


@pytest.mark.parametrize(
    ("reports", "kept", "broken"),
    [
        (((0, 4000, 0), (100, 4000, 400)), 1, 0),
        (((0, 4000, 0), (300, 4000, 1200)), 0, 1),
        (((0, 4000, 0), (300, 2000, 1200)), 0, 0),  # it may have fallen at once
        (((0, 4000, 0), (300, 4000, 500)), 0, 0),  # and may have risen again
        (((0, 3000, 0), (300, 3000, 900)), 0, 0),
    ],
)
def test_what_flows_beyond_class_p2_is_to_be_reported_every_100_ms(
    reports: tuple[tuple[int, int, int], ...], kept: int, broken: int
) -> None:
    monitor = _reports(*reports)
    assert (monitor.seen["R-PWR-001"], monitor.broken["R-PWR-001"]) == (kept, broken)
