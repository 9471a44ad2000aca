"""`opalink explain`: what is said of requirements and tests, and of names that nobody has.

Plan: requirements · tests · names that nobody has.
"""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opalink.__main__ import cli
from opalink.conformance.explain import NEAR, ExplainedRequirement, ExplainedTest, Unknown, explain
from opalink.conformance.purposes import Exchange
from opalink.conformance.selection import purposes
from opalink.conformance.verdicts import Exit
from opalink.conformance.zoo import roster as zoo
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

BY_HAND = "MOD/ATT/BEACON/TI-first"
DERIVED = "MOD/PWR/PWR_BUDGET/BI-g.cause.unknown_member"


def run(*args: str, code: Exit = Exit.CONFORMANT) -> Result:
    result = CliRunner().invoke(cli, ["explain", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def required(name: str) -> ExplainedRequirement:
    found = explain(name)
    assert isinstance(found, ExplainedRequirement)
    return found


def showing(name: str) -> ExplainedTest:
    found = explain(name)
    assert isinstance(found, ExplainedTest)
    return found


# ── Requirements ─────────────────────────────────────────────────────────────────────────────────────


def test_a_requirement_is_told_with_what_shows_it_and_who_breaks_it() -> None:
    found = required("R-LNK-003")
    assert found.text == catalogue().requirement["R-LNK-003"].text
    assert (found.level, found.role, found.packet) == ("MUST", "module", "BEACON")
    assert found.about == catalogue().packet["BEACON"].doc
    assert BY_HAND in found.tests
    assert {"Mute", "Echo"} <= {w.name for w in found.witnesses}
    assert "ATTACH.module" in found.machines


def test_every_requirement_can_be_explained() -> None:
    """One of each area, and each kind of what a requirement may say of itself."""
    some = {r.id.split("-")[1]: r.id for r in catalogue().requirements}
    some |= {f"{r.test} {bool(r.reason)} {bool(r.key)} {bool(r.needs)}": r.id for r in catalogue().requirements}
    for name in set(some.values()):
        assert required(name).text in run(name).output


def test_its_tests_are_all_that_cite_it() -> None:
    every = [p for role in (Role.MODULE, Role.PHONE) for p in purposes(role)]
    for name in ("R-WIRE-021", "R-PWR-120", "R-MGT-003"):
        assert set(required(name).tests) == {p.id for p in every if name in p.requirements}


def test_a_witness_that_is_named_by_what_it_breaks_is_found() -> None:
    """Causes of the zoo may be keys of requirements."""
    member = next(m for m in zoo.members().values() if any(c in catalogue().by_key for c in m.causes))
    key = next(c for c in member.causes if c in catalogue().by_key)
    assert member.name in {w.name for w in required(catalogue().by_key[key].id).witnesses}


# ── Tests ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_derived_test_is_told_with_its_bytes() -> None:
    found = showing(DERIVED)
    assert [r.id for r in found.requirements] == ["R-PWR-120"]
    assert found.requirements[0].text == catalogue().requirement["R-PWR-120"].text
    assert (found.state, found.expected) == ("READY", "refused: BAD_VALUE")
    decoded = CliRunner().invoke(cli, ["decode", found.stimulus])
    assert "PWR_BUDGET" in decoded.output


def test_a_scenario_is_told_without_bytes() -> None:
    found = showing(BY_HAND)
    assert (found.stimulus, found.state, found.expected) == ("", "", "")
    assert found.command == f"opalink certify IUT -k {BY_HAND}"
    assert {w.name for w in found.witnesses} >= {"Mute"}


def test_every_kind_of_test_can_be_explained() -> None:
    kinds: dict[Any, str] = {}
    for role in (Role.MODULE, Role.PHONE):
        for p in purposes(role):
            run_ = p.run
            kind = (role, p.class_, p.virtual, (run_.oracle, run_.damage) if isinstance(run_, Exchange) else "")
            kinds.setdefault(kind, p.id)
    for name in kinds.values():
        assert name in run(name).output


def test_the_document_has_the_places_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "docs"))
    pages = import_module("trace_pages").files(catalogue())
    for name in ("R-PWR-014", BY_HAND, DERIVED):
        page, _, anchor = explain(name).document.partition("#")
        text = pages[page.removeprefix("reference/").replace(".html", ".md")].decode()
        assert re.search(rf'(^:id: |id="){re.escape(anchor)}("|$)', text, re.MULTILINE)


# ── Names that nobody has ────────────────────────────────────────────────────────────────────────────


def test_case_does_not_matter() -> None:
    assert required("r-lnk-003").id == "R-LNK-003"
    assert showing(BY_HAND.lower()).id == BY_HAND


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("R-LNK-03", "R-LNK-003"),
        (BY_HAND.replace("first", "frist"), BY_HAND),
        ("MOD/ATT/BEACON", BY_HAND),
        ("PWR_BUDGET", "`opalink spec list requirements`"),
        ("", "`opalink spec list requirements`"),
    ],
)
def test_what_is_near_is_named(name: str, near: str) -> None:
    with pytest.raises(Unknown) as error:
        explain(name)
    assert near in str(error.value)
    assert str(error.value).count("MOD/") <= NEAR + 1


def test_an_unknown_name_is_one_sentence_and_usage() -> None:
    shown = run("R-\x1b[31m", code=Exit.USAGE).output
    assert "is called" in shown
    assert "\x1b" not in shown


def test_machines_read_the_same() -> None:
    for name in ("R-PWR-014", DERIVED):
        found = json.loads(run(name, "--json").output)
        assert (found["id"], found["document"]) == (name, explain(name).document)
