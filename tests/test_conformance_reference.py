"""The reference modules: whatever their profile, a campaign finds nothing wrong with them.

Plan: verdicts · coverage.
"""

from functools import cache

import pytest

from opalink.conformance.bundle.results import Campaign, How
from opalink.conformance.campaign import certify
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Level

_FAULTS = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONC, Verdict.NOTRUN)


@cache
def certified(profile: str) -> Campaign:
    return certify(f"sim:{profile}", Options(plan=Plan.CERT if profile == "four-thirds" else Plan.QUICK))


@pytest.mark.parametrize("profile", catalogue().profile)
def test_a_reference_module_conforms(profile: str) -> None:
    made = certified(profile)
    wrong = [(r.id, r.verdict, r.charged, r.expected, r.actual, r.reason) for r in made.results if r.verdict in _FAULTS]
    assert wrong == []
    assert made.verdict is Conclusion.CONFORMANT
    assert made.profile == profile


def test_every_requirement_is_tried_or_seen_and_few_have_a_reason_instead() -> None:
    made = certified("four-thirds")
    bound = [c for c in made.coverage.requirements if c.how is not How.NA]
    assert [c.id for c in bound if c.how in (How.NONE, How.UNSEEN)] == []
    assert [c.id for c in bound if c.how is How.REASONED and not c.reason] == []
    assert [c.id for c in bound if c.verdict is Verdict.FAIL] == []  # in passing either
    musts = [c for c in bound if c.level is Level.MUST]
    reasoned = [c.id for c in musts if c.how is How.REASONED]
    assert len(reasoned) * 20 <= len(musts), reasoned


def test_a_second_implementation_is_failed_nowhere() -> None:
    made = certify("py:tests.second_module:make", Options(plan=Plan.CERT))
    wrong = [
        (r.id, r.verdict, r.charged, r.expected, r.actual, r.reason) for r in made.results if r.verdict in _FAULTS[:3]
    ]
    assert wrong == []
    # It does not offer the operation that would make it busy; but it never says that it is.
    busy = next(r for r in made.results if r.id == "MOD/MGT/READY/BV-after_busy")
    assert (busy.verdict, busy.reason) == (Verdict.NA, "It has never answered BUSY.")
    assert (made.verdict, made.level) == (Conclusion.CONFORMANT, "L3")
