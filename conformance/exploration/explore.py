"""Exploration: Hypothesis beside the locked corpus, over stateful machines that are made from the declared tables.

Each machine of a module is explored by itself, in rounds of examples. The seed of a round is SHA-256 of the campaign's
seed, the lab's nonce, the machine and the round, so one machine more shifts the draws of no other, and the same seed
says the same bytes. What fails is made smaller with a cold start before each attempt, performed once more from its
recording, and left as that recording: nothing of Hypothesis is kept.

Plan: what comes of it · the explorer: a module, a machine, rounds, what failed.
"""

import contextlib
import hashlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.errors import Flaky, Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from msgspec import Struct

from opalink.conformance.conclusions import Conclusive
from opalink.conformance.exploration.draws import Learned, steady
from opalink.conformance.exploration.judge import Finding
from opalink.conformance.exploration.machine import Broken, Enough, Failed, Plan, machine_of
from opalink.conformance.exploration.replay import Counterexample, perform, recorded, write
from opalink.conformance.exploration.session import Meeting
from opalink.conformance.purposes import unmet
from opalink.conformance.runner import seed_of
from opalink.conformance.tester import preambles
from opalink.conformance.tester.matrix import NEEDS, STATES, TRAINING
from opalink.conformance.verdicts import Exit, Verdict
from opalink.conformance.walks import steps  # noqa: F401  they enter themselves
from opalink.conformance.walks.table import take
from opalink.protocol.ir.load import catalogue

# ── What comes of it ─────────────────────────────────────────────────────────────────────────────────

EXAMPLES: Final = 100  # of a machine, unless said otherwise
ROUND: Final = 25  # examples that have a seed together
ATTEMPTS: Final = 300  # to make one that has failed smaller
LENGTH: Final = 12  # steps of an example at most
_PROOF: Final = "spdm.challenge"  # the step that goes through an authentication as far as CHALLENGE


class Failure(Struct, frozen=True):
    """A finding, with the recording of the smallest example that shows it. `again` is whether that, performed once
    more, has shown the same."""

    finding: Finding
    file: str
    again: bool


class Explored(Struct, frozen=True):
    """What came of a machine. `examples` counts those that were made smaller too; `stuck` are the reasons for which
    some were given up, with how often; `sent` is the SHA-256 of all bytes that the tester sent."""

    machine: str
    verdict: Verdict
    examples: int = 0
    failures: tuple[Failure, ...] = ()
    reason: str = ""
    stuck: dict[str, int] = {}
    sent: str = ""


def exit_of(explored: list[Explored]) -> Exit:
    """What an exploration ends with."""
    verdicts = {x.verdict for x in explored}
    if Verdict.FAIL in verdicts:
        return Exit.NON_CONFORMANT
    if Verdict.INCONC in verdicts:
        return Exit.INCONCLUSIVE
    return Exit.CONFORMANT if Verdict.PASS in verdicts else Exit.NOTHING_RAN


# ── The explorer ─────────────────────────────────────────────────────────────────────────────────────


class Explorer:
    """Explores one module. `nonce` (hexadecimal) enters every seed; `attempts` is how often it is tried to make an
    example that has failed smaller."""

    def __init__(
        self, meeting: Meeting, out: Path, *, seed: int = 1, nonce: str = "", attempts: int = ATTEMPTS
    ) -> None:
        self._attempts = attempts
        self._meeting, self._out, self._seed, self._nonce = meeting, out, seed, nonce
        self._session = meeting.session
        self._learned: Learned | None = None

    def seed(self, *words: object) -> int:
        """The seed of what these words name."""
        return seed_of(self._seed, " ".join(map(str, ("explore", *words))), self._nonce)

    def learn(self) -> Learned:
        """Try every preamble once, and an authentication, and keep what both sides say."""
        if self._learned is None:
            self._learned, features = Learned(), self._session.known.features
            for state in STATES:
                if state not in TRAINING and not unmet(NEEDS.get(state, ()), features):
                    self._try(self._learned, state)
            if "SECURITY" in features:
                self._try(self._learned, "READY", _PROOF)
        return self._learned

    def _try(self, learned: Learned, state: str, *then: str) -> None:
        """A preamble, and steps of walks behind it."""
        s = self._session
        # What they stumble over is what examples will show.
        with contextlib.suppress(Conclusive), self._meeting.judged():
            s.begin(self.seed("learn", state, *then))
            preambles.reach(s, state)
            for step in then:
                take(s, step)
        learned.learn(s.catalogue, s.steps)

    # ── A machine ──

    def explore(
        self, name: str, examples: int | None = EXAMPLES, seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Explored:  # fmt: skip
        """Explore the machine of this name, until so many examples or seconds are over, or one has failed. `seconds`
        are looked at between rounds."""
        machine = self._session.judge.tables.machines.get(name)
        if machine is None:
            needs = next(" or ".join(m.needs) for m in catalogue().machines if m.name == name)
            return Explored(name, Verdict.NA, reason=f"The module has no {needs}.")
        plan = Plan(self._meeting, machine, self.learn(), self.seed(name), self._attempts)
        self._session.said = hashlib.sha256()
        begun, done, unstable = clock(), 0, ""
        for at in itertools.count():
            left = ROUND if examples is None else min(ROUND, examples - done)
            unstable = self._round(plan, left, self.seed(name, at))
            done += left
            over = (examples is not None and done >= examples) or (seconds is not None and clock() - begun >= seconds)
            if plan.failed or unstable or over:
                break
        sent = self._session.said.hexdigest()
        failures = tuple(self._confirm(plan, failed) for failed in plan.failed.values())
        verdict, reason = Verdict.PASS, ""
        if any(f.again for f in failures):
            verdict = Verdict.FAIL
        elif failures or unstable:
            verdict, reason = Verdict.INCONC, unstable or "What was found did not show when it was performed again."
        elif sum(plan.stuck.values()) >= plan.examples:
            verdict, reason = Verdict.INCONC, f"No example came to the point: {next(iter(plan.stuck), '')}"
        return Explored(name, verdict, plan.examples, failures, reason, plan.stuck, sent)

    # ── Rounds ──

    def _round(self, plan: Plan, examples: int, number: int) -> str:
        """One round; returns why what it found is not to be relied on, if so."""
        drawn = settings(
            max_examples=examples, stateful_step_count=LENGTH, database=None, deadline=None, print_blob=False,
            phases=(Phase.generate, Phase.shrink), verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck),
            report_multiple_bugs=True,
        )  # fmt: skip
        try:
            with steady():
                run_state_machine_as_test(seed(number)(machine_of(plan)), settings=drawn)
        except (Broken, Enough):
            pass  # it is among what has failed
        except Unsatisfiable:
            pass  # every example was given up, which `stuck` says
        except Flaky:
            return "The same example has shown a fault once and not again."
        except BaseExceptionGroup as several:
            rest = several.split(Broken)[1]
            if rest is not None and rest.split(Flaky)[1] is not None:
                raise
        return ""

    # ── What failed ──

    def _confirm(self, plan: Plan, failed: Failed) -> Failure:
        """Leave an example as a recording, and perform that once more."""
        finding = failed.finding
        found = Counterexample(
            plan.machine.name,
            plan.seed,
            finding.requirement,
            finding.expected,
            finding.actual,
            self._meeting.uri,
            self._session.exact,
            recorded(failed.steps),
            failed.end,
        )
        path = write(found, self._out / "counterexamples")
        again = perform(self._meeting, found)
        return Failure(finding, str(path), bool(again) and str(again[0]) == str(finding))
