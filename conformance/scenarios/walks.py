"""The stored walks as scenarios: one for every row that a bench can have fire.

Plan: what a walk cites and needs · entering them.
"""

import re
from collections.abc import Iterator
from functools import partial, update_wrapper

from opalink.conformance.purposes import ROLES, Plan, any_of
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.matrix import AREAS, NEEDS
from opalink.conformance.walks.rows import Walk, rows_of, walk, walks
from opalink.conformance.walks.table import STEPS
from opalink.protocol.engine.module.module import features_of
from opalink.protocol.ir.cases import cells, word
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Form, Received, Role

# ── What a walk cites and needs ──────────────────────────────────────────────────────────────────────

_EVERYWHERE = ("LASER", "CONTRACT")  # without light, or without contracts, every way is another
_FEATURE = re.compile(r"the feature (\w+)")


def _cited(w: Walk) -> tuple[str, ...]:
    """The requirements of its rows, and that states are reported as they are."""
    rows = [rows_of(w.profile)[name][2] for name in w.rows]
    asked = [r.event.packet for r in rows if isinstance(r.event, Received) and r.event.form is Form.REQUEST]
    answers = [catalogue().by_key.get(f"{packet}.answer") for packet in asked]
    cited = (*(q for r in rows for q in r.req), *(r.id for r in answers if r is not None), "R-MGT-042")
    return tuple(dict.fromkeys(cited))


def _needs(w: Walk) -> Iterator[str]:
    """That a module can be brought there, has the machines of the walk's rows, and goes by the same features."""
    has = features_of(catalogue().profile[w.profile])
    yield from NEEDS.get(w.state, ())
    for name, _ in w.steps:
        if packet := STEPS[name].packet:
            yield from any_of(catalogue().packet[packet].needs)
    for feature in _EVERYWHERE if all(name != "detach" for name, _ in w.steps) else (*_EVERYWHERE, "BATTERY"):
        yield feature if feature in has else f"!{feature}"
    for name in w.rows:
        machine, state, row = rows_of(w.profile)[name]
        yield from any_of(machine.needs)
        whole = next(m for m in catalogue().machines if (m.name, m.role) == (machine.name, machine.role))
        said = {g.name: _FEATURE.findall(g.doc) for g in whole.guards}
        for other in cells(whole)[state, row.event]:
            for feature in (*other.needs, *(f for g in other.guards for f in said[word(g)])):
                yield feature if feature in has else f"!{feature}"


# ── Entering them ────────────────────────────────────────────────────────────────────────────────────


ENTERED: dict[str, Walk] = {}  # by ID


def _enter(w: Walk) -> None:
    machine, state, _ = rows_of(w.profile)[w.rows[0]]
    _, _, *what = w.name.split(".")
    if w.plane == "flit":
        what.insert(0, "flit")
    name = f"{AREAS[machine.name]}/{machine.name}/BV-row.{state}.{'.'.join(what)}"
    steps = ", then ".join(name for name, _ in w.steps)
    scenario(
        name,
        *_cited(w),
        given=f"a module in {w.state}, with the machine {machine.name} then in {state}",
        when=f"these steps are taken: {steps}",
        then="it answers as the rows declare, and its machines are where they lead",
        needs=" ".join(dict.fromkeys(_needs(w))),
        operations=tuple(dict.fromkeys(o for name, _ in w.steps if (o := STEPS[name].operation))),
        plan=Plan.CI,
        planes=(w.plane,),
        virtual=True,
    )(update_wrapper(partial(walk, w=w), walk))
    ENTERED[f"{ROLES[Role.MODULE]}/{name}"] = w


for _walk in walks():
    _enter(_walk)
