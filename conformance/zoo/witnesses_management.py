"""Specimens that break the rules of management, one each.

Plan: greeting and descriptor · properties · what is open · state and reports · vendors · all.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import (
    CRC,
    PAYLOAD,
    STATUS,
    TYPE,
    Altered,
    Refusing,
    Specimen,
    decoded,
    is_response,
    load,
    put,
    refuse,
    rewritten,
    success,
    txn_of,
)
from opalink.conformance.zoo.witness import answering, hearing, made, saying
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv, encode, event, request
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import ApplyAt, ChangeCause, ObjectMask, PacketType, PropertyTag
from opalink.spec.form import Profile

_count = count(1)


def _with(**changes: Any) -> Callable[[Any], Any]:
    """A body with other fields; what is callable makes its field of the body."""

    def change(body: Any) -> Any:
        return structs.replace(body, **{k: v(body) if callable(v) else v for k, v in changes.items()})

    return change


# ── Greeting and descriptor ──────────────────────────────────────────────────────────────────────────

_GREETING: Final = (
    saying(
        "SameNonce", "Answers every HELLO with one nonce.", "R-MGT-006", "MOD/ATT/HELLO/BV-new_session",
        p.HelloResponse, _with(module_nonce=7),
    ),
    saying(
        "OtherHash", "Gives a hash that is not its descriptor's.", "R-MGT-008", "MOD/MGT/DESC_READ/CA-hash",
        p.HelloResponse, _with(desc_sha256=bytes(32)),
    ),
    saying(
        "OtherSize", "Gives a size that is not its descriptor's.", "R-MGT-009", "MOD/MGT/DESC_READ/CA-hash",
        p.HelloResponse, _with(desc_size=lambda b: b.desc_size + 1),
    ),
    answering(
        "NoSuchRange", "Takes an object that it has not for one that ends early.", "R-MGT-010",
        "MOD/MGT/DESC_READ/BI-no_object", PacketType.DESC_READ, Status.RANGE_LIMIT, Status.NO_SUCH_ID, "macro-tube",
    ),
    answering(
        "NothingBeyond", "Takes what is read from beyond its end for an object that it has not.", "R-MGT-011",
        "MOD/MGT/DESC_READ/BI-beyond", PacketType.DESC_READ, Status.NO_SUCH_ID, Status.RANGE_LIMIT,
    ),
    saying(
        "Frugal", "Gives a byte less than it is asked for.", "R-MGT-013", "MOD/MGT/DESC_READ/BV-lanes",
        p.DescReadResponse, _with(data=lambda b: b.data[:-1] or b.data),
    ),
)  # fmt: skip


class NothingAtTheEnd(Altered):
    """Refuses to read from exactly the end of an object."""

    causes = ("R-MGT-012",)
    selection = "MOD/MGT/DESC_READ/BV-end"
    plan = Plan.CI

    def alter(self, data: bytes) -> bytes:
        packet = decoded(data)
        at_end = packet is not None and isinstance(packet.body, p.DescReadResponse) and not packet.body.data
        return refuse(data, Status.RANGE_LIMIT) if at_end else data


class Redescribed(Specimen):
    """Has another descriptor after each change of its stack, and says so. `step` is by how much it counts."""

    selection = "MOD/MGT/STACK/BV-change"
    plan = Plan.CI
    step: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self._changes = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        match packet and packet.body:
            case p.StackReport():
                self._changes += 1
                told = p.DescChanged(generation=self._changes * self.step, objects=ObjectMask.DESCRIPTOR)
                return (d, structs.replace(d, data=encode(event(told)))) if self.step else (d,)
            case p.DescReadResponse(data=data) if packet is not None and data:
                return (rewritten(d, packet, data=bytes(data[:-1]) + bytes([data[-1] ^ self._changes])),)
        return (d,)


class SkipsGenerations(Redescribed):
    """Counts every change of its descriptor twice."""

    causes = ("R-MGT-014",)
    step = 2


class ChangesInSecret(Redescribed):
    """Never says that its descriptor has changed."""

    causes = ("R-MGT-015",)
    step = 0


# ── Properties ───────────────────────────────────────────────────────────────────────────────────────


def _of(tag: int, **changes: Any) -> Callable[[p.PropDescResponse], p.PropDescResponse]:
    """One property described otherwise; without changes, not at all."""

    def change(body: p.PropDescResponse) -> p.PropDescResponse:
        kept = [_with(**changes)(d) if d.id == tag else d for d in body.described if d.id != tag or changes]
        return structs.replace(body, described=tuple(kept))

    return change


def _setting(tag: int, value: int) -> Callable[[p.PropSet], p.PropSet]:
    return lambda b: structs.replace(b, settings=tuple(Tlv(t.tag, value) if t.tag == tag else t for t in b.settings))


def _listed(body: p.PropSetResponse) -> p.PropSetResponse:
    """Results in which nothing is unknown."""
    results = (
        structs.replace(r, status=Status.READ_ONLY) if r.status == Status.NO_SUCH_ID else r for r in body.results
    )
    return structs.replace(body, results=tuple(results))


_PROPERTIES: Final = (
    saying(
        "DescribesBackwards", "Describes its properties from the last to the first.", "R-MGT-020",
        "MOD/MGT/PROP_DESC/CA-order",
        p.PropDescResponse, _with(described=lambda b: b.described[::-1]),
    ),
    saying(
        "Undescribed", "Describes all of its properties but one.", "R-MGT-021", "MOD/MGT/PROP_DESC/CA-features",
        p.PropDescResponse, _of(PropertyTag.GAIN),
    ),
    saying(
        "MistakesUnknown", "Lists a setting that it does not know as read-only.", "R-MGT-024",
        "MOD/MGT/PROP_SET/BI-unknown", p.PropSetResponse, _listed,
    ),
    hearing(
        "SetsHalfAGroup", "Sets what it can of a group.", "R-MGT-025", "MOD/MGT/PROP_SET/BO-group",
        p.PropSet, _with(group=0),
    ),
    hearing(
        "AdjustsInSecret", "Sets the gain to its own liking and says nothing of it.", "R-MGT-026",
        "MOD/MGT/PROP_SET/BV-round_trip", p.PropSet, _setting(PropertyTag.GAIN, 300),
    ),
    hearing(
        "NeverTooLate", "Sets at once what was to be set at a time that has passed.", "R-MGT-027",
        "MOD/MGT/PROP_SET/BI-late", p.PropSet, _with(apply=ApplyAt.NOW),
    ),
    hearing(
        "WaitsForNoFrame", "Takes a setting that is to wait for a frame, and has no frames.", "R-MGT-052",
        "MOD/MGT/PROP_SET/BI-frameless", p.PropSet, _with(apply=ApplyAt.NOW), profile="macro-tube",
    ),
    hearing(
        "WaitsForNoTime", "Sets at once what was to be set at a time, and knows no time.", "R-MGT-053",
        "MOD/MGT/PROP_SET/BI-timeless", p.PropSet, _with(apply=ApplyAt.NOW), profile="macro-tube",
    ),
    saying(
        "TakesMore", "Takes more light of its LED than it describes.", "R-MGT-028", "MOD/MGT/PROP_SET/BI-beyond",
        p.PropDescResponse, _of(PropertyTag.LED, maximum=lambda d: d.maximum - 1),
    ),
    saying(
        "HidesTheHand", "Does not say what the user's hand has changed.", "R-MGT-029", "MOD/MGT/PROP_CHANGED/BV-ring",
        p.PropChanged, lambda b: None if b.cause == ChangeCause.USER else b,
    ),
)  # fmt: skip

_UNREAD: Final = frozenset(t.tag for t in catalogue().space["properties"].types if t.access == "wo")


class _Misnaming(Refusing):
    """Refuses to read some properties, and not for what is wrong with it."""

    plan = Plan.CI

    def odd(self, wanted: set[int]) -> bool:
        raise NotImplementedError

    def minds(self, data: bytes) -> bool:
        packet = decoded(data)
        return (
            packet is not None and isinstance(packet.body, p.PropGet) and self.odd({x.id for x in packet.body.wanted})
        )


class MindsStrangers(_Misnaming):
    """Takes a property that it has not for a value that is wrong."""

    causes = ("R-MGT-022",)
    selection = "MOD/MGT/PROP_GET/BI-not_there"

    def odd(self, wanted: set[int]) -> bool:
        return bool(wanted - {t.tag for t in catalogue().space["properties"].types})


class MindsCommands(_Misnaming):
    """Takes reading a command for a value that is wrong."""

    causes = ("R-MGT-023",)
    selection = "MOD/MGT/PROP_GET/BI-command"

    def odd(self, wanted: set[int]) -> bool:
        return bool(wanted & _UNREAD)


# A module of which there is nothing to be said: no profile is so poor.
_RECORDS: Final = dict(catalogue().profile["macro-tube"].descriptor)
_TOLD: Final = {name: _RECORDS[name] for name in ("identity", "versions", "power")}
_BARE: Final = Profile("bare", "Nothing.", (), (), (*_TOLD.items(), ("features", {"features": 0, "profile": "bare"})))


class _Admitting(Altered):
    """Answers requests about properties, and has none."""

    plan = Plan.CI
    profile = _BARE
    code: ClassVar[PacketType]

    def alter(self, data: bytes) -> bytes:
        admitted = is_response(data) and data[TYPE] == self.code and data[STATUS] == Status.NOT_SUPPORTED
        return load(put(data, STATUS, b"\0"), success(self.code)) if admitted else data


def _admitting(name: str, code: PacketType, cause: str) -> type[Specimen]:
    doc = f"Answers {code.name} without any property."
    return made(_Admitting, name, doc, cause, f"MOD/MGT/{code.name}/NP-g.absent", _BARE, code=code)


# ── What is open ─────────────────────────────────────────────────────────────────────────────────────

_OPEN: Final = (
    saying(
        "PendingOfNothing", "Says of another transaction that it is pending.", "R-MGT-031",
        "MOD/MGT/STATE_GET/BV-open", p.Pending, _with(txn=lambda b: b.txn ^ 0x4000),
    ),
    answering(
        "NotCancelled", "Says of what was cancelled that it had no time.", "R-MGT-033",
        "MOD/MGT/CANCEL/BV-cancelled", PacketType.FOCUS_MOVE, Status.BUSY, Status.CANCELLED,
    ),
    answering(
        "NothingIsLate", "Says of what is not open that it cannot be cancelled in this state.", "R-MGT-034",
        "MOD/MGT/CANCEL/BV-late", PacketType.CANCEL, Status.BAD_STATE, Status.LATE,
    ),
    saying(
        "NothingOpen", "Says of itself that it has answered everything.", "R-MGT-044",
        "MOD/MGT/STATE_GET/BV-open", p.StateGetResponse, _with(open=()),
    ),
)  # fmt: skip


class Promises(Specimen):
    """Says that an answer is pending and never gives it."""

    causes = ("R-MGT-032",)
    selection = "MOD/MGT/STATE_GET/BV-open"
    plan = Plan.CI

    def __init__(self) -> None:
        super().__init__()
        self._promised: dict[int, Departure] = {}  # the last PENDING of each

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is not None and isinstance(packet.body, p.Pending):
            self._promised[packet.body.txn] = d
        if is_response(d.data) and txn_of(d.data) in self._promised:  # once more, for as long as anybody waits
            again = self._promised.pop(txn_of(d.data))
            return [structs.replace(again, time=d.time + n * _REFRESH) for n in range(100)]
        return (d,)


_REFRESH: Final = (catalogue().timer["tPendingRefresh"].max or 0) // 2

# ── State and reports ────────────────────────────────────────────────────────────────────────────────


def _last(**changes: Any) -> Callable[[p.StateGetResponse], p.StateGetResponse]:
    """The last machine, otherwise."""
    return _with(machines=lambda b: (*b.machines[:-1], _with(**changes)(b.machines[-1])))


_STATE: Final = (
    saying(
        "PhantomFrame", "Counts a frame that it does not hold.", "R-MGT-039", "MOD/FRM/EJECT/BV-pending",
        p.EjectResponse, _with(pending_frames=lambda b: b.pending_frames + 1),
    ),
    saying(
        "MachinesTwice", "Reports its last machine twice.", "R-MGT-041", "MOD/MGT/STATE_GET/CA-machines",
        p.StateGetResponse, _with(machines=lambda b: (*b.machines, b.machines[-1])),
    ),
    saying(
        "StateOfNone", "Reports a state that its last machine has not.", "R-MGT-042", "MOD/MGT/STATE_GET/CA-machines",
        p.StateGetResponse, _last(state=200),
    ),
    saying(
        "EntersAnew", "Takes each look at a machine for the time at which it came to its state.", "R-MGT-043",
        "MOD/MGT/STATE_GET/BV-entered", p.StateGetResponse, _last(entered=lambda _: next(_count)),
    ),
    answering(
        "NoLightNoReset", "Says of a link that it has not that it is in the wrong state.", "R-MGT-051",
        "MOD/ATT/RESET/NP-link", PacketType.RESET, Status.BAD_STATE, Status.RANGE_LIMIT, profile="macro-tube",
    ),
)  # fmt: skip


class CountsNoFaults(Specimen):
    """Reports after each HELLO one fault twice, and both times as the first of its kind."""

    causes = ("R-MGT-036",)
    selection = "MOD/ATT/HELLO/BV-new_session"
    plan = Plan.CI

    def says(self, d: Departure) -> Iterable[Departure]:
        if not is_response(d.data) or d.data[TYPE] != PacketType.HELLO:
            return (d,)
        told = encode(event(p.FaultEvent(code=Status.UNDERVOLTAGE, count=1)))
        return d, *(structs.replace(d, data=told) for _ in range(2))


# ── Vendors ──────────────────────────────────────────────────────────────────────────────────────────


class AnyVendor(Altered):
    """Answers vendors that nobody is."""

    causes: ClassVar[tuple[str, ...]] = ("R-MGT-045",)
    selection = "MOD/MGT/VENDOR/BI-unknown"
    plan = Plan.CI
    data: ClassVar[bytes] = b""

    def alter(self, data: bytes) -> bytes:
        unknown = is_response(data) and data[TYPE] == PacketType.VENDOR and data[STATUS] == Status.NO_SUCH_ID
        return load(put(data, STATUS, b"\0"), self.data) if unknown else data


class VendorAtLength(AnyVendor):
    """Answers vendors that nobody is, with more than fits."""

    causes = ("VENDOR.response.data.cap.sent", "R-WIRE-024", "R-WIRE-026")
    data = bytes(4097)


class VendorAsksAtLength(Specimen):
    """Asks something of its vendor, with more than fits, after each HELLO."""

    causes = ("VENDOR.request.data.cap.sent", "R-WIRE-024", "R-WIRE-026")
    selection = "MOD/MGT/VENDOR/BI-unknown"
    plan = Plan.CI

    def says(self, d: Departure) -> Iterable[Departure]:
        if not is_response(d.data) or d.data[TYPE] != PacketType.HELLO:
            return (d,)
        asked = encode(request(p.Vendor(oui=1, sub=1), 0x7777))
        return d, structs.replace(d, data=load(asked, asked[PAYLOAD:CRC] + bytes(4084)))


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    *_GREETING, NothingAtTheEnd, SkipsGenerations, ChangesInSecret, *_PROPERTIES, MindsStrangers, MindsCommands,
    _admitting("DescribesNothing", PacketType.PROP_DESC, "R-MGT-119"),
    _admitting("GivesNothing", PacketType.PROP_GET, "R-MGT-132"),
    _admitting("SetsNothing", PacketType.PROP_SET, "R-MGT-138"),
    *_OPEN, Promises, *_STATE, CountsNoFaults, AnyVendor, VendorAtLength, VendorAsksAtLength,
)  # fmt: skip
