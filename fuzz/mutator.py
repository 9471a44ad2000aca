"""The mutator: new cases, and cases from cases, by operators that have an ID each.

It alters what `messages` gives it: legal requests and events, and what the implementation has said. Beside that it
knows which timers may be met just too early or just too late.

A case is made with a few of the operators only, drawn anew each time: what seldom occurs together with everything else
occurs often among few. The same seed makes the same cases.

Plan: operators · packets as wholes · sequences · time and link · cases.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from msgspec import structs

from opalink.conformance.tester.matrix import BRIEF
from opalink.fuzz import values
from opalink.fuzz.case import Case
from opalink.fuzz.messages import Messages, listed
from opalink.fuzz.packets import layout_of, packet_bytes
from opalink.fuzz.steps import LANES, RESOURCES, Again, Delay, Operate, Raw, Reach, Send, Step
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import illegal, legal
from opalink.protocol.ir.write import Raw as Whole
from opalink.protocol.ir.write import default, write
from opalink.spec.form import MS, SECOND, Form

LENGTH: Final = 24  # steps of a case that is made here
TOGETHER: Final = 16  # messages of the bounded suite in one case
_FIRST: Final = (1, 1, 1, 2, 2, 3, 4)  # how many operators make a case from a case
_ROOM: Final = 4096  # bytes of a payload that is worth its time
_FAULTS: Final = (
    *(("major", 2), ("spare0", 1), ("spare2", 1), ("more", 1), ("vc", 14), ("instance", 15), ("txn", 0), ("crc", 0)),
)
_SLOW: Final = SECOND  # longer timers are not waited for

# ── Operators ────────────────────────────────────────────────────────────────────────────────────────

HEADER: Final = (
    "header.major", "header.type", "header.channel", "header.instance", "header.status", "header.reserved",
    "header.more", "header.form", "header.transaction", "header.lane",
)  # fmt: skip
DEPENDENT: Final = ("dependent.length", "dependent.crc")
FRAMING: Final = ("framing.flip", "framing.truncate", "framing.extend", "framing.split", "framing.garbage")
SEQUENCE: Final = (
    "sequence.insert_legal", "sequence.insert_illegal", "sequence.insert_any", "sequence.drop", "sequence.duplicate",
    "sequence.swap", "sequence.splice", "sequence.repeat", "sequence.again", "sequence.state",
)  # fmt: skip
TIME: Final = ("time.delay", "time.timer", "link.lane", "link.detach", "link.reset", "link.resume")


def operators() -> tuple[str, ...]:
    """The IDs of all operators."""
    return (*sorted(values.operator_ids()), *HEADER, *DEPENDENT, *FRAMING, *SEQUENCE, *TIME)


class Mutator:
    """Makes cases for modules with these features (None: not known)."""

    def __init__(self, seed: int, features: frozenset[str] | None = None) -> None:
        self.random = Random(seed)
        self.used: Counter[str] = Counter()
        self._known = catalogue()
        self.messages = Messages(self.random, features)
        self._all = operators()
        self._swarm: frozenset[str] = frozenset(self._all)

    # ── Packets as wholes ──

    def _altered(self, send: Send) -> Send:
        """A message with one operator applied to its fields."""
        layout = layout_of(send.packet, send.form)
        if layout is None or send.payload is not None:
            return send
        whole = {**default(self._known, layout), **send.value}
        id_, value = values.mutate(self.random, layout, whole, self.messages.learned, self._swarm)
        if not id_:
            return send
        self.used[id_] += 1
        return structs.replace(send, value=value)

    def _header(self, id_: str, send: Send) -> Send:
        r, fields = self.random, dict(send.header)
        match id_.partition(".")[2]:
            case "major":
                fields["major"] = r.choice((0, 2, 15))
            case "type":
                fields["type"] = r.randrange(256)
            case "channel":
                fields["vc"] = r.randrange(16)
            case "instance":
                fields["instance"] = r.choice((1, 8, 9, 15))
            case "status":
                fields["status"] = r.randrange(256)
            case "reserved":
                fields[r.choice(("spare0", "spare2"))] = 1
            case "more":
                fields["more"] = 1
            case "form":
                return self._reformed(send)
            case "transaction":
                fields["txn"] = r.choice((0, 1, 0xFFFF, r.randrange(0x10000)))
            case "lane":
                return structs.replace(send, lane=r.choice(("", *LANES)))
            case "length":
                fields["length"] = r.choice((0, 1, 0xFFFF, r.randrange(64)))
            case "crc":
                fields["crc"] = r.choice((0, 0xFFFF_FFFF, r.getrandbits(32)))
        return structs.replace(send, header=tuple(sorted(fields.items())))

    def _reformed(self, send: Send) -> Send:
        """The same type in another form: a response that nobody asked for, a request as an event."""
        form = self.random.choice(list(Form))
        layout = layout_of(send.packet, form)
        value = {} if layout is None else values.fresh(self.random, layout, self.messages.learned)
        return Send(send.packet, form, value, lane=send.lane)

    def _framed(self, id_: str, send: Send) -> Send | Raw:
        r = self.random
        match id_:
            case "framing.flip":
                return structs.replace(send, flip=r.randrange(8 * 24))
            case "framing.split":
                return structs.replace(send, split=r.randrange(1, 24))
            case "framing.garbage":
                return Raw(r.choice(list(LANES)), r.randbytes(r.choice((0, 1, 15, 16, 20, 64))))
        layout = layout_of(send.packet, send.form)
        payload = send.payload or b""
        if send.payload is None and layout is not None:
            payload = self._payload(send)
        if id_ == "framing.truncate":
            payload = payload[: r.randrange(len(payload))] if payload else b""
        else:
            payload += r.randbytes(r.choice((1, 2, 4, 16)))
        return structs.replace(send, value={}, payload=payload)

    def _payload(self, send: Send) -> bytes:
        return packet_bytes(structs.replace(send, header=()), 1, 0, dict.fromkeys(RESOURCES, 0))[16:-4]

    # ── Sequences ──

    def _sequence(self, id_: str, steps: list[Step], other: Sequence[Step]) -> None:
        """Apply an operator to steps behind the first, in place."""
        r = self.random
        state = next((s.state for s in reversed(steps) if isinstance(s, Reach)), "READY")
        at = r.randint(1, len(steps))
        one = r.randrange(1, len(steps)) if len(steps) > 1 else 0
        match id_:
            case "sequence.insert_legal":
                steps.insert(at, self.messages.message(state, True))
            case "sequence.insert_illegal":
                steps.insert(at, self.messages.message(state, False))
            case "sequence.insert_any":
                steps.insert(at, self.messages.message(state))
            case "sequence.drop" if one:
                del steps[one]
            case "sequence.duplicate" if one:
                steps.insert(at, steps[one])
            case "sequence.swap" if one:
                two = r.randrange(1, len(steps))
                steps[one], steps[two] = steps[two], steps[one]
            case "sequence.splice" if len(other) > 1:
                cut = r.randrange(1, len(other))
                steps[at:] = other[cut : cut + LENGTH]
            case "sequence.repeat" if one:
                block = steps[one : one + r.choice((1, 1, 2, 2, 3))]
                steps[one:one] = block * r.choice((1, 2, 3, 5, 7))
            case "sequence.again":
                steps.insert(at, Again(r.choice((1, 1, 1, 2, 3))))
            case "sequence.state":
                steps[0] = Reach(self._state())

    def _state(self) -> str:
        weights = [1 if s in BRIEF else 4 for s in self.messages.states]
        return self.random.choices(self.messages.states, weights)[0]

    # ── Time and link ──

    def _timed(self, id_: str, steps: list[Step]) -> None:
        r = self.random
        at = r.randint(1, len(steps))
        match id_:
            case "time.delay":
                steps.insert(at, Delay(r.choice((1, MS, 5 * MS, 20 * MS, 100 * MS))))
            case "time.timer":
                ends = [t for timer in self._known.timers for t in (timer.min, timer.max) if t and MS < t < _SLOW]
                steps.insert(at, Delay(r.choice(ends) + r.choice((-1, 0, 1)) * MS))
            case "link.lane":
                lane = r.choice(list(LANES))
                steps[at:at] = [Operate("lane_down", lane), Delay(r.choice((1, 2, 20)) * MS), Operate("lane_up", lane)]
            case "link.detach":
                steps[at:at] = [Operate("detach"), Reach(self._state())]
            case "link.reset":
                steps.insert(at, Operate("reset", r.choice(("warm", "cold"))))
            case "link.resume":
                resume = {"resume_session": "$session", "last_phone_nonce": "$phone_nonce"}
                nonce = r.choice(("$module_nonce", 0, 1))
                own = {"features": (1 << 64) - 1, "phone_nonce": r.getrandbits(32)}
                value = {**own, **resume, "last_module_nonce": nonce}
                steps.insert(at, Send("HELLO", Form.REQUEST, value, lane="sideband"))

    # ── Cases ──

    def fresh(self) -> Case:
        """A case from nothing: a state, and a few messages that are legal there."""
        r = self.random
        self._draw()
        state = self._state()
        steps: list[Step] = [Reach(state)]
        many = r.choice((1, 2, 4, 8, 12))
        steps += [self.messages.message(state, True if r.random() < 0.7 else None) for _ in range(many)]
        if r.random() < 0.6:
            self._apply(steps, ())
        return self._case(steps)

    def bounded(self) -> Iterator[Case]:
        """The part that can be counted: every request and event in every state, every probe of every field, every
        fault of a header; mixed, a few in each case, and last in it what may end a session. Each is judged by
        itself."""
        for state in self.messages.states:
            plain: list[Step] = [self._plain(name, form) for name, form in self.messages.received]
            yield from self._together(state, plain)
        by_state: dict[str, list[Step]] = defaultdict(list)
        for name, form in self.messages.received:
            by_state[self.messages.home(name)] += self._probes(name, form)
        unknown = sorted(set(range(256)) - set(self._known.by_code))
        by_state["READY"] += [
            Send(f"{code:#04x}", form) for code in unknown[::8] for form in (Form.REQUEST, Form.EVENT)
        ]
        for state, probes in by_state.items():
            yield from self._together(state, probes)

    def _together(self, state: str, messages: list[Step]) -> Iterator[Case]:
        self.random.shuffle(messages)
        for at in range(0, len(messages), TOGETHER):
            steps: list[Step] = [Reach(state)]
            for step in sorted(messages[at : at + TOGETHER], key=self._ends):
                # What is acted upon anew shows it by another time.
                steps += [Delay(MS), step] if isinstance(step, Again) else [step]
            yield Case(tuple(steps), 1 + self.random.getrandbits(31))

    def _ends(self, step: Step) -> bool:
        return isinstance(step, Send) and step.packet in self.messages.ending

    def _plain(self, name: str, form: Form) -> Send:
        return Send(name, form, self.messages.value(name, form))

    def _probes(self, name: str, form: Form) -> Iterator[Step]:
        layout = self._known.layout[self._known.packet[name].forms[form]]
        for probe in (*legal(self._known, layout), *illegal(self._known, layout)):
            if isinstance(probe.value, Whole):
                yield Send(name, form, payload=probe.value.data)
            elif len(write(self._known, layout, probe.value)) <= _ROOM:
                yield Send(name, form, listed(probe.value))
        plain = self._plain(name, form)
        for field, value in _FAULTS:
            yield structs.replace(plain, header=((field, value),))
        yield structs.replace(plain, flip=100)
        yield Again(1)  # of whatever comes before it
        if Form.RESPONSE in self._known.packet[name].forms:
            yield Send(name, Form.RESPONSE)

    def mutated(self, case: Case, other: Case) -> Case:
        """A case from a case, and from another where two are spliced."""
        self._draw()
        steps = list(case.steps) or [Reach("READY")]
        for _ in range(self.random.choice(_FIRST)):
            self._apply(steps, other.steps)
        return self._case(steps)

    def _case(self, steps: list[Step]) -> Case:
        return Case(tuple(steps[:LENGTH]), 1 + self.random.getrandbits(31))

    def _draw(self) -> None:
        """Choose the operators of the next case."""
        r = self.random
        n = r.choice((len(self._all), 12, 12, 6))
        self._swarm = frozenset(r.sample(self._all, n)) | {"sequence.insert_legal"}
        self._choices = [(id_, _weight(id_)) for id_ in self._all if id_ in self._swarm]

    def _apply(self, steps: list[Step], other: Sequence[Step]) -> None:
        """Apply one operator to steps, in place."""
        ids, weights = zip(*self._choices, strict=True)
        id_ = self.random.choices(ids, weights)[0]
        if id_ in SEQUENCE:
            self._sequence(id_, steps, other)
        elif id_ in TIME:
            self._timed(id_, steps)
        else:
            sends = [(i, s) for i, s in enumerate(steps) if isinstance(s, Send)]
            if not sends:
                steps.append(made := self.messages.message("READY"))
                sends = [(len(steps) - 1, made)]
            i, send = self.random.choice(sends)
            if id_ in FRAMING:
                steps[i] = self._framed(id_, send)
            elif id_ in HEADER or id_ in DEPENDENT:
                steps[i] = self._header(id_, send)
            else:
                steps[i] = self._altered(send)
                return  # counted there
        self.used[id_] += 1


def _weight(id_: str) -> int:
    return _WEIGHTS.get(id_) or _WEIGHTS.get(id_.partition(".")[0], 1)


_WEIGHTS: Final = {
    "sequence.repeat": 16,
    "sequence": 6,
    "value": 4,
    "structure": 3,
    "header": 1,
    "dependent": 1,
    "framing": 1,
    "time": 1,
    "link": 1,
}
