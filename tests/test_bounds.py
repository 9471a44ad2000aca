"""Memory and time have an end, whatever an implementation does; what crosses the bench alone is in test_adapters.

Memory is that of a process of its own, which judges a module in another one.

Plan: habits · what is kept of a test, of an inbox, of a campaign.
"""

import contextlib
import json
import subprocess
import sys
from random import Random

import pytest
from fastcrc import crc32
from hypothesis import given
from hypothesis import strategies as st

from opalink.conformance import runner
from opalink.conformance.bundle.results import Actor, Result, Step
from opalink.conformance.campaign import begin
from opalink.conformance.conclusions import Overrun
from opalink.conformance.purposes import Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import purposes
from opalink.conformance.tester import line, transcript
from opalink.conformance.tester.ledger import REMEMBERED, Ledger
from opalink.conformance.tester.line import Line
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.transcript import GAP, Transcript, shortened, weight
from opalink.conformance.tester.watches_frame import Frame
from opalink.conformance.verdicts import Verdict
from opalink.protocol import codec
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import FrameBlock, Lane, ThermalStatus
from opalink.protocol.transport import Arrival, Bench
from opalink.spec.form import Role
from tests.unbounded import HABITS

MB = 1 << 20

# ── Habits ───────────────────────────────────────────────────────────────────────────────────────────

ENDS = {
    "flooding": ("fail: A monitor saw it in passing.", "sent without end 1 times"),
    "streaming": ("fail: A monitor saw it in passing.", "sent without end 1 times"),
    "restless": ("fail: The implementation has asked 20000 times to run",),
    "leaving": ("fail: The implementation closed the connection.",),
    "stalling": ("fail: CLOCK was not answered within 3 s.",),
    "huge": ("fail: A record announces 4294967295 bytes; the limit is",),
    "wordy": ("pass: ",),  # its log is its own affair
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_hostile_module_costs_neither_memory_nor_time(habit: str) -> None:
    command = [sys.executable, "-m", "tests.unbounded", "judge", habit]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout)
    assert made["grown"] < 300 * MB
    for words in ENDS[habit]:
        assert any(words in end for end in made["ends"]), made["ends"]
    assert made["verdict"] == ("conformant" if habit == "wordy" else "non-conformant")


# ── What is kept of a test ───────────────────────────────────────────────────────────────────────────


def _step(time: int, size: int = 0) -> Step:
    return Step(time, Actor.IUT, Lane.LASER, bytes(size))


def test_a_transcript_that_fits_is_kept_as_it_is() -> None:
    steps = [_step(i, 100) for i in range(50)]
    assert shortened(steps, weight(steps)) == steps


def test_of_a_long_transcript_the_beginning_and_the_end_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "WHOLE", 1 << 20)
    kept = Transcript()
    for i in range(100_000):
        kept.append(_step(i, 1000))
    assert weight(kept) <= 1 << 20
    gaps = [i for i, s in enumerate(kept) if s.note == GAP]
    assert len(gaps) == 1
    assert [s.time for s in kept[: gaps[0]]] == list(range(gaps[0]))
    last = [s.time for s in kept[gaps[0] + 1 :]]
    assert last == list(range(100_000 - len(last), 100_000))
    assert len(last) > 100


def test_a_step_that_is_too_long_leaves_the_others() -> None:
    steps = [_step(0), _step(1, 1 << 20), _step(2)]
    assert [s.time for s in shortened(steps, 4096)] == [0, 1, 2]
    assert weight(shortened(steps, 4096)) <= 4096


@pytest.fixture
def session() -> Line:
    bench = Bench.open("py:opalink.protocol.engine.module:Module")
    return Line(bench, Monitor(catalogue(), Role.MODULE))


def _block(frame: int) -> bytes:
    return codec.encode(codec.event(FrameBlock(frame_lo=frame, data=bytes(4000))))


def test_of_what_nobody_takes_the_oldest_blocks_are_forgotten_and_nothing_else(
    session: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "HELD", 1 << 20)
    monkeypatch.setattr(line, "ROOMY", 3 << 18)
    other = codec.encode(codec.event(ThermalStatus()))
    for i in range(1000):
        session.keep(Arrival(i, Lane.LASER, other if i % 100 == 0 else _block(i)))
        assert len(session.inbox) <= 200
    assert sum(isinstance(h.body, ThermalStatus) for h in session.inbox) == 10
    blocks = [h.body.frame_lo for h in session.heard(FrameBlock)]
    assert blocks == [i for i in range(1000) if i % 100][-len(blocks) :]
    assert len(session.inbox) + session.forgotten == 1000


def test_whoever_waits_sees_what_comes_while_blocks_are_forgotten(
    session: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "HELD", 1 << 20)
    monkeypatch.setattr(line, "ROOMY", 3 << 18)
    coming = iter([*(_block(i) for i in range(500)), codec.encode(codec.event(ThermalStatus(time_to_limit=7)))])

    def following(_: int) -> bool:
        data = next(coming, None)
        if data is not None:
            session.keep(Arrival(0, Lane.LASER, data))
        return data is not None

    monkeypatch.setattr(session, "_next", following)
    found = session.take(ThermalStatus, 1)
    assert found is not None
    assert found.body.time_to_limit == 7
    assert session.forgotten > 0


def test_what_cannot_be_forgotten_ends_the_test(session: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "HELD", 1 << 16)
    other = codec.encode(codec.event(ThermalStatus()))
    with contextlib.suppress(Overrun):
        while True:
            session.keep(Arrival(0, Lane.LASER, other))
    assert len(session.inbox) < 100


def test_of_many_violations_every_requirement_is_remembered() -> None:
    ledger = Ledger(catalogue(), Role.MODULE)
    ledger.begin()
    for _ in range(10_000):
        ledger.charge("R-WIRE-013", "0", "1")
    ledger.charge("R-WIRE-024", "a packet", "none")
    assert ledger.violations[-1].requirement == "R-WIRE-024"
    assert len(ledger.violations) == REMEMBERED + 1
    assert ledger.broken["R-WIRE-013"] == 10_000


@given(st.dictionaries(st.integers(0, 30), st.binary(max_size=8), max_size=20), st.randoms(use_true_random=False))
def test_the_crc_of_a_frame_is_that_of_its_blocks_in_whatever_order_they_come(
    blocks: dict[int, bytes], random: Random
) -> None:
    frame = Frame(None, stored=False)
    order = list(blocks)
    random.shuffle(order)
    for number in order:
        frame.add(number, blocks[number])
    assert frame.crc == crc32.iscsi(b"".join(blocks[n] for n in sorted(blocks)))
    assert frame.blocks == len(blocks)
    behind = next(n for n in range(32) if n not in blocks)
    assert sorted(frame.ahead) == [n for n in sorted(blocks) if n > behind]  # nothing else is kept


# ── What is kept of a campaign ───────────────────────────────────────────────────────────────────────


def test_a_campaign_in_which_everything_fails_keeps_the_first_exchanges_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[Purpose] = [p for p in purposes(Role.MODULE) if p.id.startswith("MOD/MGT/STATE_GET/BV-")][:6]
    with begin("py:opalink.protocol.engine.module:Module", Options(keep=True)) as one:
        whole: list[Result] = [one.runner.step(p) for p in chosen]
        monkeypatch.setattr(runner, "BRIEF", 2000)
        monkeypatch.setattr(runner, "EVIDENCE", one.runner.kept + 1)
        again = [one.runner.step(p) for p in chosen]
    assert [r.verdict for r in whole] == [r.verdict for r in again] == [Verdict.PASS] * 6
    assert again[0].steps == whole[0].steps
    for brief in again[1:]:
        assert weight(brief.steps[:-1]) <= 2000
        assert brief.steps[-1].note == "verdict pass"


def test_in_virtual_time_no_verdict_depends_on_how_fast_the_host_is() -> None:
    """Else a certificate that is verified on a slower host is not reproducible."""
    (purpose,) = (p for p in purposes(Role.MODULE) if p.id == "MOD/MGT/STATE_GET/BV-entered")
    with begin("py:opalink.protocol.engine.module:Module", Options()) as one:
        one.runner.session.budget = 0.0
        assert one.runner.step(purpose).verdict is Verdict.PASS
    with begin("py:opalink.protocol.engine.module:Module", Options(clock="real")) as one:
        one.runner.session.budget = 0.0
        result = one.runner.step(purpose)
    assert (result.verdict, result.reason) == (Verdict.INCONC, "The test took longer than 0 s of real time.")
