"""The zoo: what a suite says of implementations whose fault, or whose innocence, is known.

Plan: the list · the verdicts · nothing passes that does nothing.
"""

import importlib

import pytest

from opalink.conformance.campaign import certify
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.zoo import roster as zoo
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import IutUri
from opalink.protocol.transport.errors import BenchError
from opalink.protocol.transport.session import Endpoint

MEMBERS = zoo.members()

# ── The list ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_member_has_a_name_a_line_and_a_reason() -> None:
    assert len(MEMBERS) == len(zoo.SPECIMENS)
    for member in MEMBERS.values():
        assert member.doc.endswith("."), member.name
        assert bool(member.causes) is (member.conclusion is not Conclusion.CONFORMANT), member.name
        for cause in member.causes:
            known = cause in catalogue().requirement or cause in catalogue().by_key
            assert known or not cause.startswith("R-"), (member.name, cause)


@pytest.mark.parametrize("name", [n for n, m in MEMBERS.items() if m.uri.startswith("py:")])
def test_every_member_is_an_endpoint_where_its_uri_says(name: str) -> None:
    module, attribute = MEMBERS[name].uri.removeprefix("py:").split(":")
    made: Endpoint = getattr(importlib.import_module(module), attribute)()
    assert made.name == f"zoo: {name}"
    assert made.role is MEMBERS[name].role
    assert IutUri.parse(MEMBERS[name].uri).kind == "py"


# ── The verdicts ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", MEMBERS)
def test_the_suite_says_of_it_what_it_should(name: str) -> None:
    member = MEMBERS[name]
    options = Options(plan=member.plan, selection=member.selection, role=member.role, patience=3)
    if member.conclusion is Conclusion.TESTER_FAULT:  # there is nothing that could be judged
        with pytest.raises(BenchError) as fault:
            certify(member.uri, options)
        assert any(cause in str(fault.value) for cause in member.causes)
        return
    assert zoo.surprise(member, certify(member.uri, options)) == ""


# ── Nothing passes that does nothing ─────────────────────────────────────────────────────────────────


# What they do right: the binding is served by the bench's own side, BEACON comes unasked, and who refuses in time
# answers in time.
_RIGHT = ("MOD/BEN/", "MOD/ATT/BEACON/", "MOD/ATT/DETACH/BV-often", "MOD/ATT/HELLO/TI-answer")


@pytest.mark.parametrize("name", ["Mute", "Echo", "AlwaysNo"])
def test_silence_and_refusal_are_never_taken_for_right_behaviour(name: str) -> None:
    """What refuses everything refuses what it must, too; only where the same was accepted before does that count."""
    results = certify(MEMBERS[name].uri, Options(plan=Plan.CI, patience=3)).results
    passed = [r.id for r in results if r.verdict is Verdict.PASS]
    assert [i for i in passed if not i.startswith(_RIGHT)] == []
    assert len(results) > 1000


def test_what_always_closes_passes_nothing() -> None:
    assert certify(MEMBERS["AlwaysClose"].uri, Options(plan=Plan.QUICK, patience=3)).summary["pass"] == 0
