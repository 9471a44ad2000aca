"""A second implementation: a module of the profile `macro-tube`, written from the published text alone.

It shares the codec with the reference module and nothing else, so where both pass a test the test is worth more
than where one does; and a test that fails it while the text allows what it does is wrong.

The host speaks the bench binding. What is left to write is an `Endpoint`: it takes packets, is told the time in
nanoseconds, and keeps what it sends until it is asked. `opalink spec show NAME` explains every name met here.

Plan: what it is · what it keeps to · the module: where it stands · what arrives · what it answers · what it does
unasked · what the upper tester has done to it.
"""

import random
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import structs

import opalink.protocol.packets as opal
from opalink.protocol import codec
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import MachineId, OperationTag, Outcome, Status, Tlv
from opalink.protocol.text import value_from_json
from opalink.protocol.transport import listen
from opalink.spec.form import Role
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

# ── What it is: the descriptor of the profile, with your name on it ──────────────────────────────────

VERSION: Final = (1, 0)
FEATURES: Final = opal.Feature.STACK
NAMES: Final = {"vendor": 0x024F50, "vendor_name": "Your company", "model": 12, "model_name": "Macro tube 12"}
UNIT: Final = {"serial": b"0000000000000001".hex(), "hardware": 1, "firmware": 1, "built": 20_465}
RECORDS: Final = dict(catalogue().profile["macro-tube"].descriptor) | {"identity": NAMES | UNIT}
LISTED: Final = {"records": [{"tag": name, "value": record} for name, record in RECORDS.items()]}
DESCRIPTOR: Final = codec.encode_layout("Descriptor", value_from_json(catalogue().layout["Descriptor"], LISTED, ""))
BEACON: Final = opal.Beacon(*VERSION, opal.DeviceRole.MODULE, module_class=opal.ModuleClass.ELEMENT)
POWER: Final = opal.PwrSinkCapsResponse(idle=15, max=40, min_ready=15, capacitance=1)
ELEMENT: Final = opal.StackElement(opal.ElementKind.TUBE, confidence=100, thickness=12_000)  # what can stand upon it
STACKED: Final = opal.PropertyTag.STACK_GENERATION  # its one property
PROPERTY: Final = opal.PropertyDesc(STACKED, opal.PropertyType.U32, maximum=0xFFFF_FFFF, step=1)

# ── What it keeps to ─────────────────────────────────────────────────────────────────────────────────

HAS: Final = {feature.name for feature in FEATURES}
FROM_PHONE: Final = [p for p in catalogue().packets if p.sender in {Role.PHONE, Role.SOURCE, Role.BOTH}]
TAKES: Final = {p.code: p.name for p in FROM_PHONE if not p.needs or HAS & set(p.needs)}
CHANNELS: Final[dict[int, int]] = {code: channel for code, _, channel in codec.HOMES.values()}
STATES: Final = {m.name: {s.name: s.allows for s in m.states} for m in catalogue().machines if m.role is Role.MODULE}
TIMES: Final = {t.name: t.nominal or t.max or 0 for t in catalogue().timers}
COUNTED: Final = ("BAD_CRC", "BAD_LENGTH", "BAD_VALUE", "BAD_STATE", "BAD_VERSION", "NOT_SUPPORTED", "DUPLICATES")
KEPT: Final = 256  # answers, for requests that come again
ROOM: Final = SIDEBAND_PACKET - PACKET_OVERHEAD - 4  # for a part of the descriptor


class Departure(NamedTuple):
    """A packet that leaves."""

    time: int
    lane: opal.Lane
    data: bytes


class Refused(Exception):  # noqa: N818  an answer like any other
    """A packet is not taken; `at` is where in its payload the reason stands."""

    def __init__(self, status: Status, at: int = 0xFFFF) -> None:
        super().__init__(status)
        self.status, self.at = status, at


def parse(data: bytes, *, crc: bool = True) -> tuple[Any, Exception | None]:
    """A packet and what is wrong with it. None for a packet of which not even the header can be believed."""
    try:
        return codec.decode(data, crc=crc), None
    except codec.DecodeError as error:
        if error.path != "major" or error.fault is not codec.Fault.CONST:
            return error.packet, error
        ours = bytes([VERSION[0] << 4 | data[0] & 0xF]) + data[1:]  # another version: take its header for one of ours
        return parse(ours, crc=False)[0], Refused(Status.BAD_VERSION)


# ── The module ───────────────────────────────────────────────────────────────────────────────────────


class MacroTube:
    """Its public methods are those of an `Endpoint`."""

    role, name = Role.MODULE, "macro tube"
    operations = sum(1 << OperationTag[o] for o in "ATTACH DETACH LANE_DOWN LANE_UP RESET STATE VERSION STACK".split())

    def __init__(self) -> None:
        self.reset(opal.ResetKind.COLD, 0, 0)

    # ── Where it stands ──

    def reset(self, _: opal.ResetKind, seed: int, now: int) -> None:
        """Begin anew, with the contacts open."""
        self._now, self._random = now, random.Random(seed or None)
        self._epoch, self._stack = -1, 0  # the first start is yet to come
        self._out: list[Departure] = []
        self._machines = {m: opal.MachineReport(m, entered=now) for m in (MachineId.ATTACH, MachineId.POWER)}
        self._boot()
        self._power(on=False)

    def _power(self, *, on: bool) -> None:
        """The contacts close or open."""
        self._enter(MachineId.POWER, "BOOT" if on else "OFF")
        if on:
            self._boot()
        else:
            self._go("DETACHED")

    def _boot(self) -> None:
        """Begin as after a loss of power."""
        self._started, self._epoch, self._nonce = self._now, self._epoch + 1, self._random.getrandbits(64)
        self._sessions = self._beats = self._changes = 0
        self._counters = {name: opal.Counter(opal.CounterId[name]) for name in COUNTED}
        self._end_session()
        self._go("BOOT", "tBeaconAfterPower")

    def _wait(self) -> None:
        """Without a session, for HELLO."""
        self._end_session()
        self._go("BEACON", "tLaserRestartInterval")
        self._beacon()

    def _end_session(self) -> None:
        self._session: tuple[int, int, int] | None = None  # its number, the phone's nonce, the module's
        self._answers: dict[int, bytes] = {}

    @property
    def _state(self) -> str:
        return list(STATES["ATTACH"])[self._machines[MachineId.ATTACH].state]

    def _enter(self, machine: MachineId, state: str, reason: Status = Status.OK) -> None:
        number = list(STATES[machine.name]).index(state)  # on the wire a state is its place in the list
        if number != self._machines[machine].state:
            self._machines[machine] = opal.MachineReport(machine, number, reason, self._now)

    def _go(self, state: str, *timers: str, reason: Status = Status.OK) -> None:
        """Enter a state of the attach machine, in which these timers run and no others."""
        self._enter(MachineId.ATTACH, state, reason)
        self._timers = {timer: self._now + TIMES[timer] for timer in timers}

    def _again(self, timer: str) -> None:
        """Start a timer anew, if it runs."""
        if timer in self._timers:
            self._timers[timer] = self._now + TIMES[timer]

    # ── What arrives: checked in the order of R-WIRE-025 ──

    def receive(self, lane: opal.Lane, data: bytes, now: int) -> None:
        self._now = now
        if lane is not opal.Lane.SIDEBAND or self._state == "DETACHED":
            return
        packet, fault = parse(data)
        if packet is None:
            self._count("BAD_CRC")
            return
        self._again("tKeepAliveLoss")
        foreign = isinstance(fault, Refused)
        if packet.txn in self._answers and not packet.rsp and not foreign:
            self._count("DUPLICATES")
            self._send(self._answers[packet.txn])
        elif packet.rsp and packet.type == opal.PacketType.KEEPALIVE and packet.status and self._session:
            self._lose()
        elif not packet.rsp:
            before = len(self._out)
            status, body = self._take(packet, fault)
            if packet.txn:
                packet = structs.replace(packet, vc=CHANNELS.get(packet.type, packet.vc))
                answer = codec.encode(codec.response(packet, body, status, t_ns=now))
                self._send(answer, before)  # an answer goes before what acting on the request has sent
                if not foreign:
                    self._answers = dict([*self._answers.items(), (packet.txn, answer)][-KEPT:])

    def _take(self, packet: codec.Packet, fault: Exception | None) -> tuple[Status, Any]:
        try:
            self._check(packet, fault)
            return Status.OK, self._act(packet.body)
        except Refused as refused:
            self._count(refused.status.name)
            if packet.type == opal.PacketType.PWR_REQUEST:  # the one type with an error form of its own
                return refused.status, opal.PwrRequestError()
            return refused.status, opal.Refusal(refused.at)

    def _check(self, packet: codec.Packet, fault: Exception | None) -> None:
        if isinstance(fault, Refused):
            raise fault
        if packet.instance:
            raise Refused(Status.NO_SUCH_ID)
        formless = fault is None and isinstance(packet.body, bytes)
        if packet.type not in TAKES or packet.more or formless:
            raise Refused(Status.NOT_SUPPORTED)
        if packet.vc != CHANNELS[packet.type]:
            raise Refused(Status.BAD_VALUE)
        dead = packet.type == opal.PacketType.KEEPALIVE and not self._session
        if dead or TAKES[packet.type] not in STATES["ATTACH"][self._state]:
            raise Refused(Status.BAD_STATE)
        if isinstance(fault, codec.DecodeError):
            length = fault.fault in {codec.Fault.SHORT, codec.Fault.LONG}
            raise Refused(Status.BAD_LENGTH if length else Status.BAD_VALUE, fault.offset - 16)  # less the header
        for f in structs.fields(packet.body):  # the codec lets unknown members pass, as plain numbers
            if isinstance(f.default, IntEnum) and not isinstance(getattr(packet.body, f.name), IntEnum):
                raise Refused(Status.BAD_VALUE)

    def _count(self, name: str) -> None:
        if old := self._counters.get(name):
            self._counters[name] = opal.Counter(old.id, old.count + 1, old.first_ns or self._now, self._now)

    # ── What it answers ──

    def _act(self, body: Any) -> Any:
        match body:
            case opal.Beacon() if self._state == "DETACHING" and not self._session:
                self._wait()  # let go, and wanted again
            case opal.Hello():
                return self._hello(body)
            case opal.DescRead(object=which, offset=offset, length=length):
                if which is not opal.DescriptorObject.DESCRIPTOR:
                    raise Refused(Status.NO_SUCH_ID, 0)
                if offset > len(DESCRIPTOR):
                    raise Refused(Status.RANGE_LIMIT, 2)
                return opal.DescReadResponse(len(DESCRIPTOR), DESCRIPTOR[offset : offset + min(length, ROOM)])
            case opal.PropDesc(first=first):
                return opal.PropDescResponse((PROPERTY,) if first <= STACKED else ())
            case opal.PropGet(wanted=wanted):
                if strange := [i for i, row in enumerate(wanted) if row.id != STACKED]:
                    raise Refused(Status.NO_SUCH_ID, 1 + 2 * strange[0])
                return opal.PropGetResponse((Tlv(STACKED, self._changes),) * len(wanted))
            case opal.PropSet():
                return self._set(body)
            case opal.CountersGet(groups=groups):
                counters = tuple(self._counters.values()) if groups & opal.CounterGroup.PACKET else ()
                return opal.CountersGetResponse(self._epoch, counters)
            case opal.Keepalive(seq=seq):
                return opal.KeepaliveResponse(seq, self._now - self._started)
            case opal.StateGet():
                return opal.StateGetResponse(machines=tuple(self._machines.values()))
            case opal.PwrSinkCaps():
                return POWER
            case opal.Cancel():  # every request is answered at once: none is ever open
                raise Refused(Status.LATE, 0)
            case opal.Reset(level=level):
                return self._restart(level)
            case opal.Eject(phase=phase):
                return self._eject(phase)
        return None  # an event that asks nothing of a tube

    def _hello(self, hello: opal.Hello) -> opal.HelloResponse:
        if not (hello.low_major, hello.low_minor) <= VERSION <= (hello.high_major, hello.high_minor):
            raise Refused(Status.BAD_VERSION, 0)
        session = hello.resume_session
        if session and (session, hello.last_phone_nonce, hello.last_module_nonce) != self._session:
            raise Refused(Status.NEEDS_SESSION, 20)
        if not session:
            self._end_session()
            self._sessions = session = self._sessions + 1
        nonce = self._random.getrandbits(64)
        self._session = session, hello.phone_nonce, nonce
        self._go("READY_FULL", "tKeepAlive", "tKeepAliveLoss")
        self._report()
        return opal.HelloResponse(*VERSION, session, nonce, FEATURES, len(DESCRIPTOR), sha256(DESCRIPTOR).digest())

    def _set(self, wish: opal.PropSet) -> opal.PropSetResponse:
        """Its one property can only be read, whenever that is to be. It has no frames, and knows no time."""
        if wish.apply is not opal.ApplyAt.NOW:
            raise Refused(Status.NO_SUCH_ID if wish.apply is opal.ApplyAt.FRAME else Status.NO_TIME, 1)
        results = [(s.tag, Status.READ_ONLY if s.tag == STACKED else Status.NO_SUCH_ID) for s in wish.settings]
        if wish.group and (STACKED, Status.READ_ONLY) in results:
            raise Refused(Status.READ_ONLY)
        return opal.PropSetResponse(tuple(opal.SettingResult(*result) for result in results))

    def _restart(self, level: int) -> opal.ResetResponse:
        if level == opal.ResetLevel.LINK:  # it has none
            raise Refused(Status.RANGE_LIMIT, 0)
        if level == opal.ResetLevel.FACTORY and self._state != "READY_FULL":
            raise Refused(Status.BAD_STATE)
        if level == opal.ResetLevel.PROTOCOL:
            self._wait()
        else:
            self._boot()
        return opal.ResetResponse()

    def _eject(self, phase: int) -> opal.EjectResponse:
        prepare, abort = phase == opal.EjectPhase.PREPARE, phase == opal.EjectPhase.ABORT
        if not self._session or not (prepare or self._state == "DETACHING"):
            raise Refused(Status.BAD_STATE)
        if prepare or abort:
            self._go("DETACHING" if prepare else "READY_FULL", "tKeepAlive", "tKeepAliveLoss")
        else:
            self._end_session()
        return opal.EjectResponse()

    # ── What it does unasked ──

    def deadline(self) -> int | None:
        return min(self._timers.values(), default=None)

    def advance(self, now: int) -> None:
        self._now = now
        for timer in list(self._timers):
            if self._timers.get(timer, now + 1) <= now:
                self._again(timer)  # each goes on until a change of state ends it
                self._expired(timer)

    def _expired(self, timer: str) -> None:
        match timer:
            case "tBeaconAfterPower" | "tHoldover":
                self._wait()
            case "tLaserRestartInterval":
                self._beacon()
            case "tKeepAlive":
                self._beats += 1
                beat = opal.Keepalive(self._beats, self._now - self._started)
                self._send(codec.encode(codec.request(beat, 1 + self._beats % 0xFFFF, t_ns=self._now)))
            case "tKeepAliveLoss" if self._session:
                self._lose()

    def _lose(self) -> None:
        self._go("LINK_LOST", "tHoldover", "tLaserRestartInterval", reason=Status.LINK_LOST)

    def _beacon(self) -> None:
        self._event(structs.replace(BEACON, nonce=self._nonce))

    def _report(self) -> None:
        self._event(opal.StackReport(self._changes, (ELEMENT,) * self._stack))

    def _event(self, body: Any) -> None:
        self._send(codec.encode(codec.event(body, t_ns=self._now)))

    def _send(self, data: bytes, place: int | None = None) -> None:
        self._out.insert(len(self._out) if place is None else place, Departure(self._now, opal.Lane.SIDEBAND, data))
        self._again("tKeepAlive")

    def outbox(self) -> list[Departure]:
        left, self._out = self._out, []
        return left

    # ── What the upper tester has done to it ──

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self._now = now
        match operation:
            case Tlv(OperationTag.ATTACH) if self._state == "DETACHED":
                self._power(on=True)
            case Tlv(OperationTag.DETACH):
                self._power(on=False)
            case Tlv(OperationTag.RESET) if self._state != "DETACHED":
                self._power(on=False)
                self._power(on=True)
            case Tlv(OperationTag.STATE):
                return Outcome.DONE, (Tlv(opal.AnswerTag.STATE, opal.StateAnswer(tuple(self._machines.values()))),)
            case Tlv(OperationTag.VERSION):
                image = sha256(Path(__file__).read_bytes()).digest()
                return Outcome.DONE, (Tlv(opal.AnswerTag.VERSION, opal.VersionAnswer(image, b"macro tube", b"1.0")),)
            case Tlv(OperationTag.STACK, opal.StackOperation(elements=elements)):
                if elements > RECORDS["stack"]["elements"]:
                    return Outcome.FAILED, ()
                if elements != self._stack:
                    self._stack, self._changes = elements, self._changes + 1
                    if self._state == "READY_FULL":
                        self._report()
        return Outcome.DONE, ()  # the host itself takes lanes down and up


make = MacroTube

if __name__ == "__main__":
    listen("stdio:", make)
