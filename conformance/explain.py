"""What a requirement or a test is: its sentence, why it is there, what shows it, who was seen to break it, and where it
stands in the document.

Plan: requirements · tests · by name.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from msgspec import Struct

from opalink.conformance.bundle.coverage import REASONS
from opalink.conformance.levels import Reach, operations_of, reach_of
from opalink.conformance.purposes import ROLES, Class, Exchange, Purpose
from opalink.conformance.scenarios import suffering_of
from opalink.conformance.selection import purposes
from opalink.conformance.selfcheck.mutants import mutants
from opalink.conformance.standing import standing
from opalink.conformance.sufferings import Suffering
from opalink.conformance.tester.stimuli import stimulus
from opalink.conformance.zoo import roster as zoo
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Requirement, Testability

JUDGED: Final = {
    Testability.ACTIVE: "by a stimulus that provokes it",
    Testability.PASSIVE: "by a monitor, on every packet that the implementation sends",
    Testability.STATIC: "by the descriptor alone",
    Testability.INSPECT: "by a person",
    Testability.UNTESTABLE: "not at all",
}
CLASSES: Final = {
    Class.CA: "capability: it is there and does what it says",
    Class.BV: "valid behaviour",
    Class.BI: "invalid behaviour: a single fault",
    Class.BO: "inopportune behaviour: legal, in the wrong state",
    Class.NP: "what is not declared is refused",
    Class.RB: "robustness: damage, and whatever else can arrive",
    Class.TI: "timers, at both edges where there are two",
}
NEAR: Final = 5  # names to suggest
_NUMBERED: Final = re.compile(r"R-([A-Z]+)-([0-9]{1,6})")


class Unknown(LookupError):  # noqa: N818  the caller's, in one sentence
    """Nothing has this name."""


# ── Requirements ─────────────────────────────────────────────────────────────────────────────────────


class Witness(Struct, frozen=True):
    """An implementation of the zoo that breaks a requirement, and must be failed for it."""

    name: str
    doc: str
    iut: str


class ExplainedRequirement(Struct, frozen=True):
    """A requirement. `about` is what the packet is for that it constrains, `follows_from` the part of a layout that
    implies it, `source` what it rests on, `why` what people asked for that scenarios of it stand for, `reason` why not
    every bench can judge it. `machines` have rows that carry it out; `mutants` is how many mistakes of the registry are
    made where it is cited; `document` is its place below the folder of the document."""

    id: str
    text: str
    level: str
    role: str
    kind: str
    judged: str
    applies: tuple[str, ...]
    packet: str
    about: str
    follows_from: str
    source: str
    why: tuple[str, ...]
    reason: str
    machines: tuple[str, ...]
    tests: tuple[str, ...]
    witnesses: tuple[Witness, ...]
    mutants: int
    document: str


def _required(c: ir.Catalogue, r: Requirement) -> ExplainedRequirement:
    shown = [p for p in _every() if r.id in p.requirements]
    shown.sort(key=lambda p: (not isinstance(p.run, str), p.id))
    machines = (f"{m.name}.{m.role}" for m in c.machines if any(r.id in row.req for row in m.rows))
    return ExplainedRequirement(
        r.id, r.text, r.level.value, r.role.value, r.kind.value, JUDGED[r.test], r.needs, r.packet,
        c.packet[r.packet].doc if r.packet in c.packet else "", r.key, r.source, _why(shown),
        r.reason or REASONS.get(r.id, ""), tuple(machines), tuple(p.id for p in shown), tuple(_witnesses(c, r.id)),
        sum(r.id in m.requirements for m in mutants().values()),
        f"reference/requirements/{r.id.split('-')[1]}.html#{r.id}",
    )  # fmt: skip


def _why(shown: Iterable[Purpose]) -> tuple[str, ...]:
    """What people asked for: the sufferings that scenarios stand against."""
    return tuple(dict.fromkeys(Suffering(group).doc for p in shown if (group := suffering_of(p))))


def _witnesses(c: ir.Catalogue, requirement: str) -> Iterable[Witness]:
    """The members of the zoo that are failed for it; what they break may be named by the key that it follows from."""
    for m in zoo.members().values():
        if requirement in {c.by_key[x].id if x in c.by_key else x for x in m.causes}:
            yield Witness(m.name, m.doc.split("\n")[0], m.uri)


# ── Tests ────────────────────────────────────────────────────────────────────────────────────────────


class Cited(Struct, frozen=True):
    """A requirement that a test shows."""

    id: str
    level: str
    text: str


class ExplainedTest(Struct, frozen=True):
    """A test. `stimulus` is the packet that a single exchange sends, in hexadecimal, with transaction 1 at time 0; a
    scenario, written by hand, has none. `suffering` is what people asked for that it stands for, if it stands for
    such. `standing` says how far it can be trusted."""

    id: str
    sentence: str
    class_: str
    role: str
    plan: str
    level: str
    planes: tuple[str, ...]
    needs: tuple[str, ...]
    operations: tuple[str, ...]
    virtual: bool
    premise: str
    state: str
    stimulus: str
    expected: str
    requirements: tuple[Cited, ...]
    witnesses: tuple[Witness, ...]
    document: str
    command: str
    suffering: str
    standing: str


def _tested(c: ir.Catalogue, p: Purpose) -> ExplainedTest:
    """A test, with whoever it may have been that failed it: the witnesses of what it shows."""
    x = p.run if isinstance(p.run, Exchange) else None
    operations = operations_of(p, frozenset({"LASER"}))
    witnesses = {w.name: w for r in p.requirements for w in _witnesses(c, r)}
    role, area = p.id.split("/")[:2]
    level: Reach = reach_of(operations)
    return ExplainedTest(
        p.id, p.sentence, CLASSES[p.class_], next(k.value for k, v in ROLES.items() if v == role), p.plan.value,
        level.value, p.planes, p.needs, operations, p.virtual, p.premise,
        x.state if x else "", stimulus(x, 1, 0).hex() if x else "",
        f"{x.oracle.value}: {', '.join(x.statuses)}".removesuffix(": ") if x else "",
        tuple(Cited(r, c.requirement[r].level.value, c.requirement[r].text) for r in p.requirements),
        tuple(witnesses.values()), f"reference/tests/{role}-{area}.html#{p.id}", f"opalink certify IUT -k {p.id}",
        Suffering(group).doc if (group := suffering_of(p)) else "", standing(p.id).value,
    )  # fmt: skip


# ── By name ──────────────────────────────────────────────────────────────────────────────────────────


def _every() -> list[Purpose]:
    return [purpose for role in ROLES for purpose in purposes(role)]


def explain(name: str) -> ExplainedRequirement | ExplainedTest:
    """The requirement or the test of a name, whatever its case. Raises Unknown, which names what is near."""
    c = catalogue()
    if found := c.requirement.get(name.upper()):
        return _required(c, found)
    tests = {p.id.lower(): p for p in _every()}
    if purpose := tests.get(name.lower()):
        return _tested(c, purpose)
    raise Unknown(_unknown(name, [*c.requirement, *(p.id for p in tests.values())]))


def _unknown(name: str, known: list[str]) -> str:
    folded = {x.lower(): x for x in known}
    near = [x for x in known if x.lower().startswith(name.lower())][:NEAR] if name else []
    if number := _NUMBERED.fullmatch(name.upper()):  # as people write it: R-PWR-14
        near += [x for x in [f"R-{number[1]}-{int(number[2]):03}"] if x in known]
    near = near or [folded[x] for x in get_close_matches(name.lower(), folded, NEAR)]
    hint = f"near to it are {', '.join(near)}" if near else "`opalink spec list requirements` lists the requirements"
    return f"No requirement and no test is called {name!r}; {hint}."
