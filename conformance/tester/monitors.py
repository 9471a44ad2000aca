"""Passive oracles: what is judged of every packet that an implementation sends, in every test.

The monitor keeps the tester's open requests, so it knows what a response answers. It notes what was violated and what
was seen to be kept. What belongs to a chapter (frames, power, time …) is judged by the watches.

Plan: the monitor: the header, answers, payloads, coverage.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from opalink.conformance.tester.finders import Finders
from opalink.conformance.tester.ledger import Asked, Heard, Ledger
from opalink.conformance.tester.watches import WATCHES, Watch
from opalink.conformance.tester.watches_frame import Frames
from opalink.protocol import codec
from opalink.protocol.codec import Packet
from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.obligations import key_of
from opalink.protocol.packets import Beacon, Lane, PacketType, Status
from opalink.spec.form import Form, Role

# ── The monitor ──────────────────────────────────────────────────────────────────────────────────────

_GENERAL = (
    "R-WIRE-011 R-WIRE-013 R-WIRE-016 R-WIRE-017 R-WIRE-024 R-WIRE-026 R-WIRE-030 R-WIRE-031 R-WIRE-032"
).split()
_TYPE, _AROUND = 1, 20  # where the type of a packet stands; bytes of its header and its CRC
_MAJOR = 1  # of BEACON in every version (R-LNK-001)
_ANSWERED = "R-WIRE-009 R-WIRE-010 R-WIRE-019 R-WIRE-022".split()


class Monitor(Ledger):
    """Judges everything that one implementation sends."""

    def __init__(self, catalogue: ir.Catalogue, role: Role, slack: int = 0) -> None:
        super().__init__(catalogue, role, slack)
        self._finders = Finders(catalogue)
        self._success = {s.value for s in catalogue.statuses if s.success}
        general = {catalogue.status[n].value for n in catalogue.general}
        self._statuses = {p.code: general | {catalogue.status[n].value for n in p.statuses} for p in catalogue.packets}
        self._channels = {p.code: catalogue.channel[p.channel] for p in catalogue.packets}
        self._own = {role, Role.BOTH, Role.SINK if role is Role.MODULE else Role.SOURCE}
        self._lanes = {p.code: frozenset(Lane[x.upper()] for x in p.lanes) for p in catalogue.packets}
        self._forms: Counter[tuple[int, Form]] = Counter()
        self._places: Counter[str] = Counter()
        self._lists = {x.name: _lists(catalogue, x) for x in catalogue.layouts}
        self._sent_keys = {r.key: r.id for r in catalogue.requirements if r.key.endswith(".sent")}
        timers = catalogue.timer
        self._response = timers["tResponse"].max or 0
        self._watches: list[Watch] = [w(self) for w in (*WATCHES, Frames)]
        self._hearing: dict[type, list[Callable[[Heard], None]]] = {}
        for watch in self._watches:
            for cls, method in watch.hears.items():
                self._hearing.setdefault(cls, []).append(getattr(watch, method))
        self.begin()

    def begin(self) -> None:
        """A new binding: nothing is open, nothing has been heard."""
        super().begin()
        self._nonce: int | None = None  # of the last BEACON
        for watch in self._watches:
            watch.begin()

    def _started(self, nonce: int) -> None:
        """BEACON came: with another nonce than the last, the implementation has started anew in between."""
        if self._nonce not in (None, nonce):
            self.restarted()
        self._nonce = nonce

    def restarted(self) -> None:
        """The implementation starts anew, by itself or because it was asked to."""
        for asked in self.open.values():
            asked.pending = 0  # whatever was under way is no more
        for watch in self._watches:
            watch.restarted()

    def end(self, now: int) -> None:
        """The test is over: what should have come by now and did not?"""
        for watch in self._watches:
            watch.end(now)

    # ── The tester's side ──

    def asked(self, asked: Asked) -> None:
        """The tester sends a request."""
        self.open[asked.txn] = asked
        self.told(asked.body, asked.time)

    def told(self, body: Any, time: int) -> None:
        """The tester sends something around this value."""
        for watch in self._watches:
            watch.told(body, time)

    def answered(self, txn: int) -> None:
        """The tester answers a request of the implementation's."""
        for watch in self._watches:
            watch.answered(txn)

    def severed(self) -> None:
        """A lane is taken down from outside."""
        for watch in self._watches:
            watch.severed()

    # ── The header ──

    def hear(self, time: int, lane: int, data: bytes) -> Heard:
        """Judge a packet and say what it is."""
        self.carried += len(data)
        try:
            packet = codec.decode(data)
        except DecodeError as error:
            return self._undecodable(time, lane, data, error)
        asked = self._header(packet, time, lane, len(data) - _AROUND)
        heard = Heard(time, lane, data, packet, None, asked)
        if isinstance(packet.body, Beacon):
            self._started(packet.body.nonce)
        if type(packet.body) is not bytes:
            self._payload(packet)
            for hear in self._hearing.get(type(packet.body), ()):
                hear(heard)
        return heard

    def _undecodable(self, time: int, lane: int, data: bytes, error: DecodeError) -> Heard:
        self.charge("R-WIRE-024", "a packet that decodes", str(error))
        if data[_TYPE : _TYPE + 1] == bytes((PacketType.BEACON,)) and data[0] >> 4 != _MAJOR:
            self.charge("R-LNK-001", f"BEACON of major version {_MAJOR}", f"of {data[0] >> 4}")
        asked = None
        if error.packet is not None:
            asked = self._header(error.packet, time, lane, len(data) - _AROUND)
            if key := self._key_of_error(error, data):
                self.charge(key, "a legal field", str(error))
        return Heard(time, lane, data, error.packet, error, asked)

    def _header(self, packet: Packet, time: int, lane: int, size: int) -> Asked | None:
        """`size` is that of the payload, in bytes."""
        code = packet.type
        declared = self.catalogue.by_code.get(code)
        if packet.spare0 or packet.spare2:
            self.charge("R-WIRE-013", "reserved header bits 0", f"spare0 {packet.spare0}, spare2 {packet.spare2}")
        if packet.more:
            self.charge("R-WIRE-032", "`more` 0", "1")
        if packet.rsp:
            asked = self._answer(packet, time)
        else:
            asked = None
            if declared is not None:
                self._way(declared, lane)
            if packet.status:
                self.charge("R-WIRE-016", "status 0", f"status {int(packet.status)}")
            if declared is None:
                self.charge("R-WIRE-024", "a declared type", f"type {int(code):#04x}")
            elif (Form.REQUEST if packet.txn else Form.EVENT) not in declared.forms:
                self.charge("R-WIRE-017", "a transaction that suits the type", f"{declared.name} with {packet.txn}")
        if declared is not None:
            channel = self._channels[code]
            wanted = channel.value
            if packet.vc != wanted and not (channel.name == "STREAM0" and 8 <= packet.vc <= 11):
                self.charge("R-WIRE-011", f"virtual channel {wanted}", f"{int(packet.vc)}")
            if size > channel.payload_max:
                self.charge("R-WIRE-026", f"at most {channel.payload_max} bytes", f"{size}")
        return asked

    def _way(self, declared: ir.Packet, lane: int) -> None:
        """Judge whether this side sends such packets at all, and on this lane."""
        own = declared.sender in self._own
        if not own and not ("ROLE_SWAP" in self.features and declared.sender in (Role.SINK, Role.SOURCE)):
            self.charge("R-WIRE-030", f"nothing that a {declared.sender} sends", declared.name)
        if lane not in self._lanes[declared.code]:
            self.charge("R-WIRE-031", f"{declared.name} on {' or '.join(declared.lanes)}", f"lane {lane}")

    # ── Answers ──

    def _answer(self, packet: Packet, time: int) -> Asked | None:
        asked = self.open.get(packet.txn)
        if asked is None:
            self.charge("R-WIRE-009", "the transaction of an open request", f"{packet.txn}")
            return None
        if packet.type != asked.code:
            self.charge("R-WIRE-010", f"type {asked.code:#04x}", f"{int(packet.type):#04x}")
            return None
        asked.answers += 1
        if asked.answers == 1:
            asked.stamp = packet.t_ns
            self._prompt(asked, time)
        status = packet.status
        self.answers[status] += 1
        allowed = self._statuses.get(asked.code)
        if status == Status.UNSPECIFIED:
            self.charge("R-WIRE-019", "another status than UNSPECIFIED", "UNSPECIFIED")
        elif allowed is not None and status not in allowed and not (status == Status.NO_SUCH_ID and asked.instance):
            self.charge("R-WIRE-022", "a status that the type declares", getattr(status, "name", str(status)))
        return asked

    def _prompt(self, asked: Asked, time: int) -> None:
        if asked.pending:
            self.keep("R-WIRE-023")
        else:
            self.in_time("R-WIRE-023", time - asked.time, self._response, "an answer or PENDING")

    # ── Payloads ──

    def _form(self, packet: Packet) -> Form:
        if packet.rsp:
            return Form.RESPONSE if packet.status in self._success else Form.ERROR
        return Form.REQUEST if packet.txn else Form.EVENT

    def _payload(self, packet: Packet) -> None:
        form = self._form(packet)
        self._forms[packet.type, form] += 1
        layout = type(packet.body).__name__
        declared = self.catalogue.by_code[packet.type]
        if lists := self._lists[layout]:
            self._note(packet, f"{declared.name}.{form}.", lists)
        find = self._finders.of(layout)
        if find is None:
            return
        for what, path in find(packet.body):
            if what == "reserved":
                self.charge("R-WIRE-013", f"reserved bits `{path}` 0", "set")
            elif form in declared.forms:
                key = key_of(self.catalogue, declared, form, path, "member.sent")
                self.charge(self._sent_keys.get(key, "R-WIRE-024"), f"a known member in `{path}`", "an unknown one")

    def _key_of_error(self, error: DecodeError, data: bytes) -> str | None:
        """The requirement of the very field that does not decode."""
        name, _, rest = error.path.partition(".")
        form, _, path = rest.partition(".")
        declared = self.catalogue.packet.get(name)
        what = {Fault.CONST: "const", Fault.RANGE: "range", Fault.CAP: "cap"}.get(error.fault)
        if declared is None or what is None or form not in declared.forms:
            return None
        field = ".".join(part.partition("[")[0] for part in path.split("."))
        found = self._sent_keys.get(key_of(self.catalogue, declared, Form(form), field, f"{what}.sent"))
        if found is None and "[" in path:  # inside a TLV, whose name stands in its tag alone
            tag = int.from_bytes(data[error.offset - ir.TLV_HEADER :][:2], "little")
            found = self._in_tlv(declared, Form(form), field, what, tag)
        return found

    def _in_tlv(self, declared: ir.Packet, form: Form, field: str, what: str, tag: int) -> str | None:
        """`tag` is that of the TLV if its value is one number, which then stands right behind the header."""
        head, _, last = field.partition(".")
        layout = self.catalogue.layout[declared.forms[form]]
        part = next((p for p in layout.parts if p.name == head), None)
        if not isinstance(part, ir.Tlvs):
            return None
        types = self.catalogue.space[part.space].types
        lone = [t.name for t in types if t.tag == tag and ir.lone_number(self.catalogue.layout[t.layout])]
        names = lone or [t.name for t in types]
        keys = [f"{part.space}.{name}.{last or 'value'}.{what}.sent" for name in names]
        known = [self._sent_keys[k] for k in keys if k in self._sent_keys]
        return known[0] if len(known) == 1 else None

    # ── Coverage ──

    def _note(self, packet: Packet, prefix: str, lists: tuple[ir.Rows | ir.Tlvs, ...]) -> None:
        """Remember which rows and TLVs a packet carried: what holds for them was seen too."""
        for part in lists:
            items = getattr(packet.body, part.name)
            if items and isinstance(part, ir.Tlvs):
                names = {t.tag: t.name for t in self.catalogue.space[part.space].types}
                self._places.update(f"{part.space}.{names[t.tag]}." for t in items if t.tag in names)
            elif items:
                self._places[f"{prefix}{part.name}."] += 1

    def covered(self) -> Counter[str]:
        """How often each passive requirement was seen to be kept."""
        packets = sum(self._forms.values())
        answers = sum(n for (_, form), n in self._forms.items() if form in (Form.RESPONSE, Form.ERROR))
        seen = Counter(self.seen)
        seen.update(dict.fromkeys(_GENERAL, packets))
        seen.update(dict.fromkeys(_ANSWERED, answers))
        places = Counter({f"{self.catalogue.by_code[code].name}.{form}.": n for (code, form), n in self._forms.items()})
        places.update(self._places)
        for key, requirement in self._sent_keys.items():
            seen[requirement] += places[_place(key, self.catalogue)]
        return +seen


def _lists(catalogue: ir.Catalogue, layout: ir.Layout) -> tuple[ir.Rows | ir.Tlvs, ...]:
    """The parts of a layout that hold rows, or TLVs of a space that has any."""
    return tuple(
        p for p in layout.parts if isinstance(p, ir.Rows) or (isinstance(p, ir.Tlvs) and catalogue.space[p.space].types)
    )


def _place(key: str, catalogue: ir.Catalogue) -> str:
    """Where a check has its field: "PWR_BUDGET.response.", "PWR_BUDGET.response.actions." or "properties.gain."."""
    words = key.split(".")[:-2]  # without the check and "sent"
    depth = min(len(words) - 1, 3) if words[0] in catalogue.packet else 2
    return ".".join(words[:depth]) + "."
