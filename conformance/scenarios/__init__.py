"""Scenarios: tests that only a person would think of, each a function of a session.

    @scenario("ATT/BEACON/TI-first", "R-LNK-003", given="…", when="…", then="…", operations=("attach",))
    def first_beacon(s: Session) -> None: ...

A scenario returns if it passed. It brings the implementation to its own state, and may assume nothing that its `needs`
do not say.

Plan: the registry · what scenarios share.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from msgspec import structs

from opalink.conformance.purposes import PLANES, ROLES, Plan, Purpose, sentence
from opalink.conformance.tester.session import Session
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

Scenario = Callable[[Session], None]

# ── The registry ─────────────────────────────────────────────────────────────────────────────────────

_CHAPTERS = """
    wire header bench attach session restart link descriptor properties management power heat capture queue frame lens
    controls realtime security update machines statuses flow journeys journeys_knock journeys_light journeys_supply
    journeys_heat journeys_use journeys_lens flit flit_order flit_credit flit_link walks
    phone phone_duties phone_sink phone_refusals phone_link phone_shared
""".split()
_REGISTRY: dict[str, tuple[Purpose, Scenario]] = {}
_SUFFERINGS: dict[str, str] = {}


def scenario(
    name: str,
    *requirements: str,
    given: str,
    when: str,
    then: str,
    needs: str = "",
    operations: tuple[str, ...] = (),
    plan: Plan = Plan.QUICK,
    virtual: bool = False,
    premise: str = "",
    planes: tuple[str, ...] = PLANES,
    role: Role = Role.MODULE,
    suffering: str = "",
) -> Callable[[Scenario], Scenario]:
    """Enter a scenario under its name without the role. `needs` are words, all of which must hold; `suffering` is the
    group of `sufferings` that it belongs to."""
    prefix = ROLES[role]

    def enter(function: Scenario) -> Scenario:
        purpose = Purpose(
            f"{prefix}/{name}",
            requirements,
            sentence(given, when, then),
            function.__name__,
            tuple(needs.split()),
            operations,
            plan=plan,
            virtual=virtual,
            premise=premise,
            planes=planes,
        )
        if purpose.id in _REGISTRY:
            raise ValueError(f"{purpose.id} is entered twice")
        _REGISTRY[purpose.id] = purpose, function
        if suffering:
            _SUFFERINGS[purpose.id] = suffering
        return function

    return enter


def share(name: str, role: Role) -> None:
    """Enter a module's scenario for implementations of another role as well, with those of its requirements that bind
    them. Its function must need nothing of a module but the preamble to READY."""
    purpose, function = _REGISTRY[f"{ROLES[Role.MODULE]}/{name}"]
    known = catalogue().requirement
    own = tuple(r for r in purpose.requirements if known[r].role in (Role.BOTH, role))
    said = purpose.sentence.replace("module", role.value)
    shared = structs.replace(purpose, id=f"{ROLES[role]}/{name}", requirements=own, sentence=said)
    _REGISTRY[shared.id] = shared, function


@cache
def scenarios(role: Role) -> tuple[Purpose, ...]:
    """The scenarios for implementations of a role, chapter by chapter."""
    for chapter in _CHAPTERS:
        import_module(f"opalink.conformance.scenarios.{chapter}")
    prefix = ROLES[role] + "/"
    return tuple(purpose for purpose, _ in _REGISTRY.values() if purpose.id.startswith(prefix))


def scenario_of(purpose: Purpose) -> Scenario:
    """The function behind a purpose."""
    scenarios(Role.MODULE)
    return _REGISTRY[purpose.id][1]


def suffering_of(purpose: Purpose) -> str:
    """The group of `sufferings` that a scenario belongs to; empty if it stands in none."""
    return _SUFFERINGS.get(purpose.id, "")
