"""What messages there are for an implementation, and what it has said: where the fields of its requests come from.

Everything is from the intermediate representation: which types there are, what their fields may hold, in which states
they are legal. What an implementation has said (its modes, its properties, its handles) comes back to it in fields of
the same name, and what the suite's own preambles send is where its requests begin: so the first check is seldom where
a packet ends.

Plan: what is known · what was said · messages.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from random import Random
from typing import Any, Final

from opalink.conformance.purposes import unmet
from opalink.conformance.tester.matrix import NEEDS, STATES, TRAINING, Matrix
from opalink.fuzz import values
from opalink.fuzz.packets import layout_of
from opalink.fuzz.steps import Send
from opalink.protocol import codec
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import default
from opalink.spec.form import Form, Received, Role

LEARNED: Final = 64  # numbers kept for a field
_POWERLESS: Final = ("HARD_RESET", "FAULT")


class Messages:
    """The messages to modules with these features (None: not known)."""

    def __init__(self, random: Random, features: frozenset[str] | None = None) -> None:
        self.random = random
        self.learned: values.Learned = defaultdict(list)
        self._known = catalogue()
        self._matrix = Matrix(self._known, Role.MODULE)
        self._samples: dict[tuple[str, Form], list[dict[str, Any]]] = defaultdict(list)
        self._features = features

    # ── What is known ──

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Where a preamble can bring a module with these features."""
        found = self._features
        seen = [s for s in STATES if s not in TRAINING]  # which the FLIT plane alone shows
        return tuple(s for s in seen if found is None or unmet(NEEDS.get(s, ()), found) is None)

    @cached_property
    def received(self) -> list[tuple[str, Form]]:
        """The requests and events that a phone may send to such a module."""
        own = (Role.MODULE, Role.SINK)
        return [
            (p.name, form)
            for p in self._known.packets
            for form in (Form.REQUEST, Form.EVENT)
            if p.sender not in own and form in p.forms and self._has(p)
        ]

    def _has(self, p: ir.Packet) -> bool:
        return self._features is None or not p.needs or bool(self._features.intersection(p.needs))

    @cached_property
    def _cells(self) -> dict[str, dict[str, bool]]:
        """For each state, which requests get past the state check."""
        cells = {p.name: self._matrix.cells(p) for p in self._known.packets}
        return {state: {name: cells[name][state] for name, _ in self.received} for state in STATES}

    @cached_property
    def ending(self) -> frozenset[str]:
        """The types that can end a session, or have its power away: what comes after them is seldom legal any more."""
        own = {m.name: m.rows for m in self._known.machines if m.role is Role.MODULE}
        rows = (*(r for r in own["ATTACH"] if r.next), *(r for r in own["POWER"] if r.next in _POWERLESS))
        return frozenset(r.event.packet for r in rows if isinstance(r.event, Received))

    # ── What was said ──

    def learn(self, said: Iterable[Any], sent: Iterable[bytes] = ()) -> None:
        """Take up what an implementation has said, as value classes, and what the tester's own preambles send to it,
        as packets."""
        for body in said:
            self._note(body)
        for data in sent:
            try:
                packet = codec.decode(data)
            except codec.DecodeError:
                continue
            if packet.rsp or type(packet.body) is bytes:
                continue
            name = self._known.by_code[packet.type].name
            samples = self._samples[name, Form.REQUEST if packet.txn else Form.EVENT]
            value = listed(codec.plain(packet.body))
            if value not in samples and len(samples) < LEARNED:
                samples.append(value)

    def _note(self, value: Any) -> None:
        for name in getattr(value, "__struct_fields__", ()):
            found = getattr(value, name)
            if isinstance(found, int):
                kept = self.learned[name]
                if int(found) not in kept:
                    if len(kept) >= LEARNED:
                        del kept[self.random.randrange(LEARNED)]
                    kept.append(int(found))
            elif isinstance(found, tuple):
                for item in found[:16]:
                    self._note(item)

    # ── Messages ──

    def message(self, state: str, legality: bool | None = None) -> Send:
        """A message with legal fields: one that is legal in a state, one that is not, or either."""
        r = self.random
        cells = self._cells.get(state, {})
        fit = [m for m in self.received if legality is None or cells.get(m[0], True) is legality]
        name, form = r.choice(fit or self.received)
        return Send(name, form, self.value(name, form))

    def value(self, name: str, form: Form) -> dict[str, Any]:
        """The fields of a message, legal as far as each alone goes."""
        samples = self._samples.get((name, form))
        layout = layout_of(name, form)
        if samples and self.random.random() < 0.6:
            return dict(self.random.choice(samples))
        if layout is None:
            return {}
        if self.random.random() < 0.3:
            return dict(default(self._known, layout))
        return values.fresh(self.random, layout, self.learned)

    def home(self, name: str) -> str:
        """The state in which a type is tested, if a preamble reaches it; else READY."""
        found = self._matrix.home(self._known.packet[name])
        return found if found in self.states else "READY"


def listed(value: Any) -> Any:
    """A plain value with lists alone, as a case holds them."""
    match value:
        case dict():
            return {name: listed(v) for name, v in value.items()}
        case list() | tuple():
            return [listed(v) for v in value]
    return value
