"""What an exploration draws: payloads of packets, by the strategies that are derived from the declarations.

A payload that is drawn without knowing anything of the implementation is refused by its first check. So what the
tester's own preambles send is where most payloads begin, one field may be another, and numbers that the implementation
has said of itself (its modes, its handles) come back to it in fields of the same name.

Draws depend on the seed alone. Hypothesis also draws from the literals that it finds in whatever modules are loaded,
which would have one machine's draws depend on another's code: `steady` has it leave that.

Plan: what was learned · payloads · steadiness.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from opalink.conformance.bundle.results import Actor, Step
from opalink.protocol import codec
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.write import Plain, default, write
from opalink.protocol.strategies import boundary, number, valid
from opalink.spec.form import Form

from hypothesis import strategies as st  # isort: skip  `opalink.protocol.strategies` says what is missing
from hypothesis.internal.conjecture import providers  # isort: skip
from hypothesis.strategies import SearchStrategy  # isort: skip

LONGEST: Final = 2048  # bytes of a payload that is drawn
_KEPT: Final = 32  # samples of a packet, and numbers of a field
_DEEP: Final = 16  # rows of a list that are learned from
_LITERALS: Final = "_get_local_constants"

# ── What was learned ─────────────────────────────────────────────────────────────────────────────────


class Learned:
    """What both sides have said while the preambles were tried: `samples` of the tester's payloads by type and form,
    and the `numbers` of the implementation's by the name of their field."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, Form], list[Plain]] = defaultdict(list)
        self.numbers: dict[str, list[int]] = defaultdict(list)

    def learn(self, catalogue: ir.Catalogue, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.actor not in (Actor.TESTER, Actor.IUT):
                continue
            try:
                packet = codec.decode(step.data)
            except codec.DecodeError:
                continue
            if type(packet.body) is bytes:
                continue
            if step.actor is Actor.IUT:
                self._note(packet.body)
            elif not packet.rsp:
                form = Form.REQUEST if packet.txn else Form.EVENT
                _keep(self.samples[catalogue.by_code[packet.type].name, form], codec.plain(packet.body))

    def _note(self, value: Any) -> None:
        for name in getattr(value, "__struct_fields__", ()):
            found = getattr(value, name)
            if isinstance(found, int):
                _keep(self.numbers[name], int(found))
            elif isinstance(found, tuple):
                for item in found[:_DEEP]:
                    self._note(item)


def _keep(known: list[Any], value: Any) -> None:
    if value not in known and len(known) < _KEPT:
        known.append(value)


# ── Payloads ─────────────────────────────────────────────────────────────────────────────────────────


def payloads(
    catalogue: ir.Catalogue, layout: ir.Layout, samples: list[Plain], learned: Learned
) -> SearchStrategy[bytes]:
    """Payloads of a layout, the plainest first: as a preamble sends it, such a one with another field, any legal one,
    one at its limits."""
    bases = [*samples, default(catalogue, layout)]
    ways = [st.sampled_from(bases)]
    if fields := [f for f in ir.fields_of(layout.parts) if not (isinstance(f, ir.Number) and f.const is not None)]:
        values = [_field(catalogue, layout, f, learned) for f in fields]
        ways += [st.builds(lambda base, new: {**base, **new}, st.sampled_from(bases), st.one_of(values))]
        ways += [valid(catalogue, layout), boundary(catalogue, layout)]
    return st.one_of(ways).map(lambda v: write(catalogue, layout, v)).filter(lambda data: len(data) <= LONGEST)


def _field(catalogue: ir.Catalogue, layout: ir.Layout, f: ir.Field, learned: Learned) -> SearchStrategy[Plain]:
    """Legal values of one field, those first that the implementation has said in one of that name."""
    if not isinstance(f, ir.Number):
        return valid(catalogue, layout).map(lambda whole: {f.name: whole[f.name]})
    lo, hi = f.bounds
    said = [n for n in learned.numbers.get(f.name, ()) if lo <= n <= hi]
    values = st.sampled_from(said) | number(catalogue, f) if said else number(catalogue, f)
    return values.map(lambda n: {f.name: n})


# ── Steadiness ───────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def steady() -> Iterator[None]:
    """Have Hypothesis draw no literals of loaded modules. A version that does not do so anyway needs nothing."""
    found = getattr(providers, _LITERALS, None)
    if found is None:
        yield
        return
    cache, nothing = providers.CONSTANTS_CACHE.cache, type(providers.GLOBAL_CONSTANTS)()
    cache.clear()
    setattr(providers, _LITERALS, lambda: nothing)
    try:
        yield
    finally:
        setattr(providers, _LITERALS, found)
        cache.clear()
