"""What the zoo is made of: packets altered by hand, and the reference module with a hand over its mouth or ears.

Plan: packets by hand · the specimen, and its kinds · a habit of a channel.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import ClassVar

from fastcrc import crc32
from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.verdicts import Conclusion
from opalink.protocol import codec
from opalink.protocol.codec import DecodeError, Packet, PacketType, Status, Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.identity import Identity
from opalink.protocol.flit import End
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import UNKNOWN_TAG
from opalink.protocol.ir.write import default, write
from opalink.protocol.packets import Lane, Outcome, Plane, Refusal, ResetKind
from opalink.protocol.transport import Channel
from opalink.spec.form import Form, Profile, Role

# ── Packets by hand ──────────────────────────────────────────────────────────────────────────────────

VERSION, TYPE, CHANNEL, STATUS, LENGTH, TXN, TIME, PAYLOAD, CRC = 0, 1, 2, 3, 4, 6, 8, 16, -4  # places
RSP, SPARE, MORE = 8, 5, 2  # bits of the first byte


def sealed(covered: bytes) -> bytes:
    """Header and payload, with the CRC that belongs to them."""
    return covered + crc32.iscsi(covered).to_bytes(4, "little")


def put(data: bytes, at: int, value: bytes) -> bytes:
    """A packet with other bytes at a place."""
    return sealed(data[:at] + value + data[at + len(value) : CRC])


def load(data: bytes, payload: bytes) -> bytes:
    """A packet with another payload."""
    return sealed(data[:LENGTH] + len(payload).to_bytes(2, "little") + data[TXN:PAYLOAD] + payload)


def is_response(data: bytes) -> bool:
    return bool(data[0] & RSP)


def txn_of(data: bytes) -> int:
    return int.from_bytes(data[TXN:TIME], "little")


def is_request(data: bytes) -> bool:
    """Whether these bytes are a request whose CRC is right."""
    return len(data) > PAYLOAD and not is_response(data) and txn_of(data) != 0 and sealed(data[:CRC]) == data


# What a module measures as it has sent it (R-SEC-004): altered on its way, it is someone else's.
MEASURED = frozenset({PacketType.BEACON, PacketType.HELLO, PacketType.LINK_PARAMS})


def of_later(data: bytes) -> bytes:
    """A packet with a TLV of a later version behind it, where it may have TLVs."""
    packet = decoded(data)
    if packet is None or packet.type in MEASURED or not isinstance(getattr(packet.body, "extensions", None), tuple):
        return data
    more = (*packet.body.extensions, Tlv(UNKNOWN_TAG, b"later"))
    return codec.encode(structs.replace(packet, body=structs.replace(packet.body, extensions=more)))


def decoded(data: bytes) -> Packet | None:
    """A packet, if it is one."""
    try:
        return codec.decode(data)
    except DecodeError:
        return None


@cache
def success(code: int) -> bytes:
    """The payload of a response to any request of a type: all defaults."""
    known = catalogue()
    packet = known.by_code.get(code)
    if packet is None or Form.RESPONSE not in packet.forms:
        return b""
    layout = known.layout[packet.forms[Form.RESPONSE]]
    return write(known, layout, default(known, layout))


def refuse(data: bytes, status: Status) -> bytes:
    """A response as a refusal."""
    return codec.encode(structs.replace(codec.decode(data), status=status, body=Refusal()))


def rewritten(d: Departure, packet: Packet, **changes: object) -> Departure:
    """A departure whose packet says something else."""
    body = structs.replace(packet.body, **changes)
    return structs.replace(d, data=codec.encode(structs.replace(packet, body=body)))


# ── The specimen, and its kinds ─────────────────────────────────────────────────────────────────────────────────────


class Specimen:
    """The reference module. What it hears passes `hears`, what it says passes `says`.

    `causes` are requirements, or keys of requirements, all of which must be found violated; or words of the reason that
    the campaign gives. `plan` and `selection` are what it takes to find them, `profile` the module that it is."""

    causes: ClassVar[tuple[str, ...]] = ()
    conclusion: ClassVar[Conclusion] = Conclusion.NON_CONFORMANT
    plan: ClassVar[Plan] = Plan.QUICK
    selection: ClassVar[str] = ""
    profile: ClassVar[str | Profile] = "four-thirds"

    def __init__(self) -> None:
        self.inner = Module(self.profile)
        self.role: Role = self.inner.role
        self.name = f"zoo: {type(self).__name__}"
        self.operations = self.inner.operations
        self.planes: int = self.inner.planes
        self.now = 0
        self.extra: list[Departure] = []

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        """What of a packet reaches the module."""
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        """What becomes of a packet of the module's."""
        return (d,)

    @property
    def flits(self) -> End | None:
        return self.inner.flits

    def take_plane(self, plane: Plane) -> None:
        self.inner.take_plane(plane)

    def recover(self, now: int) -> None:
        self.inner.recover(now)

    def carries(self, lane: Lane) -> bool:
        return self.inner.carries(lane)

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        self.now = now
        heard = self.hears(data, lane)
        if heard is not None:
            self.inner.receive(lane, heard, now)

    def advance(self, now: int) -> None:
        self.now = now
        self.inner.advance(now)

    def deadline(self) -> int | None:
        return self.inner.deadline()

    def outbox(self) -> list[Departure]:
        out = [x for d in self.inner.outbox() for x in self.says(d)] + self.extra
        self.extra = []
        return out

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self.now = now
        return self.inner.operate(operation, now)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self.now = now
        self.extra = []
        self.inner.reset(kind, seed, now)


class Altered(Specimen):
    """Says what the module says, with every packet altered."""

    def alter(self, data: bytes) -> bytes | None:
        raise NotImplementedError

    def says(self, d: Departure) -> Iterable[Departure]:
        data = self.alter(d.data)
        return () if data is None else (structs.replace(d, data=data),)


class Refusing(Specimen):
    """Refuses some requests before the module sees them."""

    status: ClassVar = Status.BAD_VALUE

    def minds(self, data: bytes) -> bool:
        raise NotImplementedError

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        if not is_request(data) or not self.minds(data):
            return data
        answer = put(load(data, codec.encode_layout("Refusal", Refusal())), 0, bytes([0x10 | RSP]))
        self.extra.append(Departure(self.now, lane, put(answer, STATUS, bytes([self.status]))))
        return None


class Retimed(Specimen):
    """Runs timers for other times than the reference module does."""

    def __init__(self) -> None:
        super().__init__()
        self._start = self.inner.clock.start
        self.inner.clock.start = self._arm  # type: ignore[method-assign] # the one place where all timers begin

    def retime(self, name: str, delay: int) -> int:
        """How long a timer runs that would run for `delay` nanoseconds."""
        raise NotImplementedError

    def _arm(self, key: object, delay: int, then: Callable[[], None]) -> None:
        name = key[-1] if isinstance(key, tuple) else ""
        self._start(key, self.retime(name, delay) if name in catalogue().timer else delay, then)


class Claiming(Specimen):
    """Says of itself something else than it is: it has no `hidden` feature and has each `claimed` one."""

    plan = Plan.CI
    claimed: ClassVar[frozenset[str]] = frozenset()
    hidden: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        profile = catalogue().profile[self.inner.identity.profile]
        features = self.inner.features - self.hidden | self.claimed
        self.inner.identity = Identity(catalogue(), _lenient(profile, features), features)


def _lenient(profile: Profile, features: frozenset[str]) -> Profile:
    """A profile that lets a module have just these features."""
    return structs.replace(profile, requires=(), allows=tuple(features))


# ── A habit of a channel ──────────────────────────────────────────────────────────────────────────────


class Habit(Channel):
    """A channel around another: what it does to the bytes. The module behind it is the reference."""

    causes: ClassVar[tuple[str, ...]] = ()
    conclusion: ClassVar[Conclusion] = Conclusion.NON_CONFORMANT
    plan: ClassVar[Plan] = Plan.QUICK
    selection: ClassVar[str] = ""

    def __init__(self, inner: Channel) -> None:
        self.inner = inner

    def send(self, data: bytes) -> None:
        self.inner.send(data)

    def receive(self, timeout: float | None) -> bytes | None:
        return self.inner.receive(timeout)

    def alive(self) -> bool:
        return self.inner.alive()

    def close(self) -> None:
        self.inner.close()
