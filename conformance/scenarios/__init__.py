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

from opalink.conformance.purposes import PLANES, ROLES, Plan, Purpose, sentence
from opalink.conformance.session import Session
from opalink.spec.form import Role

Scenario = Callable[[Session], None]

# ── The registry ─────────────────────────────────────────────────────────────────────────────────────

_CHAPTERS = """
    wire header bench attach session link descriptor properties management power heat capture queue frame lens controls
    realtime security machines statuses flow journeys flit flit_order flit_credit flit_link phone phone_refusals
""".split()
_REGISTRY: dict[str, tuple[Purpose, Scenario]] = {}


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
) -> Callable[[Scenario], Scenario]:
    """Enter a scenario under its name without the role. `needs` are words, all of which must hold."""
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
        return function

    return enter


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
