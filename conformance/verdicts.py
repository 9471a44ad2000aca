"""Verdicts: of a step, of a test, of a campaign; and what the process says with its exit code.

The words are ISO/IEC 9646's. A test's verdict is the worst of its steps'; ERROR is the tester's own fault and says
nothing of the implementation. A campaign is never conformant by default: what did not run did not pass.

Plan: verdicts · the lattice · the campaign · exit codes.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """What became of a test."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONC = "inconc"  # neither shown to conform nor to violate: the preamble failed, or time was too coarse
    ERROR = "error"  # the tester's own fault
    NA = "na"  # not applicable, by PICS
    NOTRUN = "notrun"  # applicable, but not executed; the reason says why


_ORDER = {Verdict.PASS: 0, Verdict.INCONC: 1, Verdict.FAIL: 2, Verdict.ERROR: 3}


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict of a test from those of its steps: none < pass < inconc < fail < error."""
    return max(verdicts, key=_ORDER.__getitem__, default=None)


class Conclusion(StrEnum):
    """What became of a campaign."""

    CONFORMANT = "conformant"
    NON_CONFORMANT = "non-conformant"
    INCONCLUSIVE = "inconclusive"
    TESTER_FAULT = "tester-fault"
    NOTHING_RAN = "nothing-ran"
    PICS_CONTRADICTED = "pics-contradicted"
    KNOWN = "known-failures"  # all that failed is waived


def conclude(counts: Mapping[Verdict, int]) -> Conclusion:
    """The campaign's verdict from how many tests ended how, those beyond its level aside if they were not run.

    A test that should have run and did not leaves the question open, unless something else has answered it."""
    if counts.get(Verdict.FAIL):
        return Conclusion.NON_CONFORMANT
    if counts.get(Verdict.ERROR):
        return Conclusion.TESTER_FAULT
    if not counts.get(Verdict.PASS) and not counts.get(Verdict.INCONC):
        return Conclusion.NOTHING_RAN
    if counts.get(Verdict.INCONC) or counts.get(Verdict.NOTRUN):
        return Conclusion.INCONCLUSIVE
    return Conclusion.CONFORMANT


class Exit(IntEnum):
    """The one table of exit codes, for every command."""

    CONFORMANT = 0  # or clean
    NON_CONFORMANT = 1  # or a new finding
    USAGE = 2
    INCONCLUSIVE = 3  # or unstable
    TESTER_FAULT = 4  # the tester's, the adapter's or the infrastructure's
    NOTHING_RAN = 5  # or input missing
    PICS = 6  # illegal or contradicted
    KNOWN = 7  # known findings only


EXITS: Mapping[Conclusion, Exit] = {
    Conclusion.CONFORMANT: Exit.CONFORMANT,
    Conclusion.NON_CONFORMANT: Exit.NON_CONFORMANT,
    Conclusion.INCONCLUSIVE: Exit.INCONCLUSIVE,
    Conclusion.TESTER_FAULT: Exit.TESTER_FAULT,
    Conclusion.NOTHING_RAN: Exit.NOTHING_RAN,
    Conclusion.PICS_CONTRADICTED: Exit.PICS,
    Conclusion.KNOWN: Exit.KNOWN,
}
