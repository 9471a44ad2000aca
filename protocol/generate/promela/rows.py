"""The rows of machines as Promela: which fires upon an event, what it does, and how packets leave.

Guards are decided one after another, so that a model reads like the table: `if` the first holds and so on. Sending is
written once a packet, and called where rows send.

Plan: names · what the machines have · rows as decisions · actions · words · packets that leave.
"""

import re
from collections.abc import Iterable
from functools import cached_property

from opalink.protocol.generate.promela.words import arg_of, effect_of, fill_of, guard_of, name_of, word_of
from opalink.protocol.ir import model as ir
from opalink.spec import abstraction
from opalink.spec.abstraction import Choice, Exact
from opalink.spec.form import (
    Action,
    Answer,
    Do,
    Event,
    Expired,
    Form,
    Machine,
    Received,
    Row,
    Send,
    Signal,
    Start,
    Stop,
)
from opalink.spec.model_form import Bound, Model

SIDES = ("phone", "module")
OTHER = {"phone": "module", "module": "phone"}
_GATE = "ATTACH"
QUEUE = 12  # signals of a side that wait, at most: spin finds out if it is too few
ANSWERED = (Form.RESPONSE, Form.ERROR)
# That expressions of the abstraction name.
_STATUSES = ("OK", "BAD_STATE", "BAD_VERSION", "NEEDS_SESSION", "PWR_WAIT", "RING_OWNED", "MOTOR_BLOCKED")
NAMES = "OFF PULSE ON", "IDLE RUN PAUSE DRAIN", "NONE UNPROVEN GOOD"

# ── Names ────────────────────────────────────────────────────────────────────────────────────────────


def event_name(side: str, name: str) -> str:
    return f"E_{side}_{name}"


def label_of(m: Machine, event: Event) -> str:
    """The name of an event: one for every form of a packet, and for every machine's timer."""
    match event:
        case Received(packet=packet, form=form):
            return f"{packet}_{form}"
        case Expired(timer=timer):
            return f"{m.name}_{timer}"
    return name_of(event)


def indent(lines: Iterable[str]) -> list[str]:
    return ["   " + line for line in lines]


def any_of(tests: Iterable[str], otherwise: str = "false") -> str:
    return " || ".join(f"({t})" for t in tests) or otherwise


class Rows:
    """One model on its way to text."""

    def __init__(self, catalogue: ir.Catalogue, model: Model) -> None:
        self.catalogue, self.model = catalogue, model
        known = {f"{m.name}.{m.role}": m for m in catalogue.machines}
        machines = [known[name].within(model.features) for name in model.machines]
        self.of = {side: [m for m in machines if m.role == side] for side in SIDES}
        self.gate = {side: next((m for m in self.of[side] if m.name == _GATE), None) for side in SIDES}
        self.success = {s.name for s in catalogue.statuses if s.success}
        self.sent: dict[tuple[str, str], None] = {}  # (side, PACKET_form) of what is sent somewhere, in order
        self.statuses: dict[str, None] = dict.fromkeys(_STATUSES)

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        """Events that each side's machines know."""
        return {s: list(dict.fromkeys(label_of(m, r.event) for m in self.of[s] for r in m.rows)) for s in SIDES}

    @cached_property
    def timers(self) -> dict[str, list[tuple[str, str]]]:
        """(machine, timer) of those that rows start."""
        return {
            side: list(
                dict.fromkeys(
                    (m.name, a.timer) for m in self.of[side] for r in m.rows for a in r.actions if isinstance(a, Start)
                )
            )
            for side in SIDES
        }

    @cached_property
    def ticks(self) -> dict[str, int]:
        """How many ticks timers run: more than every timer of the model that is over, by what is declared, before."""
        names = {t for side in SIDES for _, t in self.timers[side]} | {b.timer for _, b in self._bounds}
        edges = {n: [e for e in (t.min, t.nominal, t.max) if e is not None] for n, t in self.catalogue.timer.items()}
        ranks: dict[str, int] = {}
        for name in sorted(names, key=lambda n: (edges[n][0], n)):
            ranks[name] = 1 + max(
                (rank for other, rank in ranks.items() if edges[other][-1] < edges[name][0]), default=0
            )
        return ranks

    @cached_property
    def asks(self) -> dict[str, list[str]]:
        """Requests whose responses a side's machines wait for."""
        events = {s: [r.event for m in self.of[s] for r in m.rows] for s in SIDES}
        return {
            s: sorted({e.packet for e in events[s] if isinstance(e, Received) and e.form in ANSWERED}) for s in SIDES
        }

    # ── Rows as decisions ──

    def _dispatch(self, side: str) -> list[str]:
        """What a side does upon each event that a machine of its knows."""
        lines = ["if"]
        for label in self.labels[side]:
            body: list[str] = []
            for m in self.of[side]:
                body += self._decide(m, label)
            packet, _, form = label.rpartition("_")
            if packet in self.catalogue.packet and form == Form.REQUEST:
                refuse = self._reply(side, packet, "BAD_STATE")
                body += ["if", f":: !answered -> {refuse}", ":: else", "fi"]
            if packet in self.catalogue.packet and form == Form.RESPONSE:
                body += self._note(side, abstraction.DONE.get(packet, ""))
            lines += [f":: e == {event_name(side, label)} ->", *indent(body or ["skip"])]
        return [*lines, "fi"]

    def _decide(self, m: Machine, label: str) -> list[str]:
        """The first row whose guards hold, by state; states with the same rows together."""
        by_rows: dict[tuple[Row, ...], list[str]] = {}
        for s in m.states:
            rows = tuple(r for r in m.rows if label_of(m, r.event) == label and s.name in r.states)
            if rows:
                by_rows.setdefault(rows, []).append(s.name)
        if not by_rows:
            return []
        lines = ["if"]
        for rows, states in by_rows.items():
            test = self._within(m, states)
            lines += [f":: {test} ->", *indent(self._tree(m, rows, {}))]
        return [*lines, ":: else", "fi"]

    @staticmethod
    def _within(m: Machine, states: Iterable[str]) -> str:
        return any_of(f"{m.role}_{m.name} == {m.role}_{m.name}_{s}" for s in states)

    def _tree(self, m: Machine, rows: tuple[Row, ...], known: dict[str, bool]) -> list[str]:
        """What the rows come to where so much is known of the guards."""
        if not rows:
            return ["skip"]
        row = rows[0]
        for guard in row.guards:
            word, wanted = word_of(guard), not guard.startswith("!")
            if word not in known:
                yes, no = (self._tree(m, rows, known | {word: value}) for value in (True, False))
                return self._ask(m, row.event, word, yes, no)
            if known[word] is not wanted:
                return self._tree(m, rows[1:], known)
        return self._take(m, row)

    def _ask(self, m: Machine, event: Event, word: str, yes: list[str], no: list[str]) -> list[str]:
        found = guard_of(m, word) or Choice(calm=True)
        if word in self.model.words:
            found = Exact(self.model.words[word])
        if isinstance(found, Choice):
            likely, other = (yes, no) if found.calm else (no, yes)
            return likely if yes == no else ["if", ":: true ->", *indent(likely), ":: !calm ->", *indent(other), "fi"]
        test = self.said(m.role, found.on.get(name_of(event), found.text))
        if test in ("true", "false"):
            return yes if test == "true" else no
        return yes if yes == no else ["if", f":: ({test}) ->", *indent(yes), ":: else ->", *indent(no), "fi"]

    # ── Actions ──

    def _take(self, m: Machine, row: Row) -> list[str]:
        side, label = m.role.value, label_of(m, row.event)
        lines = [f'printf("ROW {side} {m.name} %d {row.next or "-"} {label}\\n", {side}_{m.name})']
        if row.next is not None:
            lines.append(f"{side}_{m.name} = {side}_{m.name}_{row.next}")
            ended = [t for owner, t in self.timers[side] if owner == m.name and t not in m.waits(row.next)]
            lines += [f"{side}_{m.name}_{t} = 0" for t in ended]
        lines += [text for action in row.actions if (text := self._act(m, row, action)) != "skip"]
        return ["d_step {", *indent(f"{x};" for x in lines), "}"]

    def _act(self, m: Machine, row: Row, action: Action) -> str:
        side = m.role.value
        match action:
            case Start(timer=t):
                return f"{side}_{m.name}_{t} = {self.ticks[t]} + 1"
            case Stop(timer=t):
                return f"{side}_{m.name}_{t} = 0" if (m.name, t) in self.timers[side] else "skip"
            case Signal(name=name):
                stub = self.said(side, self.model.signals[name]) + "; " if name in self.model.signals else ""
                return stub + self._raise(side, name)
            case Do(effect=word):
                if word in self.model.effects:
                    return self.said(side, self.model.effects[word])
                found = effect_of(m, word)
                return self.said(side, found.text) if isinstance(found, Exact) else "skip"
            case Answer(status=status):
                assert isinstance(row.event, Received)
                return "answered = 1; " + self._reply(side, row.event.packet, status)
            case Send(packet=packet, form=form):
                return self._send(side, f"{packet}_{form}", arg_of(row, packet))

    # ── Words ──

    def said(self, side: str, text: str) -> str:
        """Words of the declarations as Promela, for one side."""

        def who(word: str) -> str:
            return {"my": side, "its": OTHER[side]}.get(word, word)

        text = re.sub(r"\braise (\w+)\.(\w+)", lambda x: self._raise(who(x[1]), x[2]), text)
        text = re.sub(r"\bsend (\w+)\.(\w+) (\w+)", lambda x: self._send(who(x[1]), f"{x[2]}_{x[3]}"), text)
        text = re.sub(r"\bforget (\w+)(?: (\w+))?", lambda x: self._forget(who(x[1]), x[2]), text)
        text = re.sub(r"\bdrop (\w+)", lambda x: self._drop(who(x[1])), text)
        text = re.sub(r"\blose (\w+)", lambda x: self._lose(who(x[1])), text)
        return re.sub(r"\bits_", f"{OTHER[side]}_", re.sub(r"\bmy_", f"{side}_", text))

    def _raise(self, side: str, name: str) -> str:
        return f"{side}_events!{event_name(side, name)}" if name in self.labels[side] else "skip"

    def _forget(self, side: str, packet: str | None) -> str:
        return "; ".join(f"{side}_open_{p} = 0" for p in self.asks[side] if packet in (None, p)) or "skip"

    def _lose(self, side: str) -> str:
        """Without power all is forgotten but what the next life must not repeat."""
        gone = [f"{side}_{m}_{t} = 0" for m, t in self.timers[side]]
        gone += [f"{side}_{v} = {first}" for v, first in self.model.mine.items() if v not in self.model.lasting]
        return "; ".join([*gone, self._forget(side, None)])

    def _drop(self, side: str) -> str:
        """What is on its way to a side is gone, and what it has asked is forgotten."""
        gone = f"do :: len(to_{side}) > 0 -> to_{side}?kind, arg, status, tx, lane :: else -> break od"
        return f"{gone}; kind = 0; arg = 0; status = 0; tx = 0; lane = 0; {self._forget(side, None)}"

    def _note(self, side: str, text: str) -> list[str]:
        """Notes of the abstraction, where the model has all that they speak of."""
        known = {*self.model.mine, *(m.name for m in self.of[side]), *(f"{m}_{t}" for m, t in self.timers[side])}
        known |= {f"{m.name}_{s.name}" for m in self.of[side] for s in m.states}
        known |= {f"open_{p}" for p in self.asks[side]}
        notes = filter(None, text.split("; "))
        return [self.said(side, n) for n in notes if {x[3:] for x in re.findall(r"\bmy_\w+", n)} <= known]

    # ── Packets ──

    def _send(self, side: str, kind: str, arg: str | None = None) -> str:
        if kind.endswith("_event") and not self._heeded(OTHER[side], kind):
            return "skip"
        self.sent[side, kind] = None
        arg = fill_of(kind.rpartition("_")[0]).arg if arg is None else arg
        noted = self._note(side, fill_of(kind.rpartition("_")[0]).note)
        return "; ".join([*noted, f"out = {' '.join(self._note(side, arg)) or '0'}", f"{side}_sends_{kind}()"])

    def _heeded(self, side: str, kind: str) -> bool:
        """Whether an event is more to a side than something heard."""
        return kind in self.labels[side] or bool(self._note(side, abstraction.HEARD.get(kind.rpartition("_")[0], "")))

    def _reply(self, side: str, packet: str, status: str) -> str:
        self.statuses[status] = None
        form = "response" if status in self.success else "error"
        arg = abstraction.ANSWERS.get(packet, "arg") if form == "response" else "arg"
        self.sent[side, f"{packet}_{form}"] = None
        return f"out = {self.said(side, arg)}; {side}_answers_{packet}_{form}(S_{status})"

    def _legal(self, side: str, packet: str) -> str:
        gate = self.gate[side]
        if gate is None or all(packet in s.allows for s in gate.states):
            return "true"
        return self._within(gate, [s.name for s in gate.states if packet in s.allows])

    def _carries(self, side: str, packet: str) -> list[tuple[int, str]]:
        """The lanes of a packet by number, with whether they carry: the laser is preferred."""
        lanes = self.catalogue.packet[packet].lanes
        tests = {"laser": self.model.laser, "sideband": self.model.sideband}
        return [(i, self.said(side, tests[x])) for i, x in enumerate(tests) if x in lanes and tests[x] != "false"]

    def _sender(self, side: str, kind: str) -> list[str]:
        """The text that sends a packet of its own accord, over the first of its lanes that carries."""
        packet, _, form = kind.rpartition("_")
        to, number, before = f"to_{OTHER[side]}", "0", ""
        if form == Form.REQUEST and packet in self.asks[side]:
            number = f"{side}_open_{packet}"
            before = f"{side}_txn = {side}_txn % 3 + 1; {number} = {side}_txn; "
        lines = [f"inline {side}_sends_{kind}() {{", "   if", f"   :: !({self._legal(side, packet)}) -> skip"]
        earlier = ""
        for lane, up in self._carries(side, packet):
            said = f'printf("SEND {side} {packet} {form} %d\\n", out)'
            put = f"{before}{said}; {to}!{kind}, out, S_OK, {number}, {lane}"
            here = f"({self._legal(side, packet)}) && {earlier}({up})"
            lines += [
                f"   :: {here} && len({to}) < {self.model.capacity} -> {put}; {side}_has_sent = 1",
                f"   :: {here} && len({to}) == {self.model.capacity} -> {self._full(side, kind)}",
            ]
            earlier += f"!({up}) && "
        return [*lines, "   :: else", "   fi", "}"]

    def _answerer(self, side: str, kind: str) -> list[str]:
        """The text that answers, on the lane of the request."""
        packet, _, form = kind.rpartition("_")
        to = f"to_{OTHER[side]}"
        said = f'printf("SEND {side} {packet} {form} %d %d\\n", out, st)'
        return [
            f"inline {side}_answers_{kind}(st) {{",
            "   if",
            f"   :: len({to}) < {self.model.capacity} -> {said}; {to}!{kind}, out, st, tx, lane; {side}_has_sent = 1",
            f"   :: else -> {self._full(side, kind)}",
            "   fi",
            "}",
        ]

    def _full(self, side: str, kind: str) -> str:
        """On a kept wire there is always room; on another, what finds none is lost, but not in calm."""
        packet, _, form = kind.rpartition("_")
        return f'printf("FULL {side} {packet} {form}\\n"); assert({"false" if self.model.kept else "!calm"})'

    @property
    def _bounds(self) -> list[tuple[str, Bound]]:
        bounds = (p for p in self.model.properties if isinstance(p, Bound))
        return [(f"late_{i}", b) for i, b in enumerate(bounds)]
