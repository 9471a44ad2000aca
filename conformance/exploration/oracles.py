"""Oracles: what must become of a packet, by R-WIRE-025, wherever the specification leaves no choice.

What an implementation says is judged by the suite's monitor; what it must say to a hostile packet is worked out here,
from the packet's bytes, the lane, and where its machines were. Nothing is expected where the specification leaves a
choice, or where what is known does not suffice: an oracle that guesses makes false findings.

Plan: what is expected · what monitors take for granted · the order of the checks · the requirement of a fault.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from opalink.conformance.tester.finders import Finders
from opalink.conformance.tester.matrix import GATEWAY
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status
from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.obligations import key_of
from opalink.protocol.packets import Lane, PacketType
from opalink.spec.form import Form, Received, Role, met
from opalink.spec.limits import STACK_ELEMENTS

# ── What is expected ─────────────────────────────────────────────────────────────────────────────────

Places = Mapping[str, str]  # the state of each machine, by name

# They last no longer than a slow answer: by the time of a packet the machine may have left them by itself.
FLEETING: Final = frozenset(
    {"CAPTURE.DRAINING", "POWER.REQUESTED", "POWER.TRANSITION", "POWER.HARD_RESET", "LINK.NEGOTIATE"}
)
COMPLAINTS: Final = frozenset({Status.BAD_LENGTH, Status.BAD_VALUE})


class Expected(Struct, frozen=True):
    """What must become of a packet, and by which requirement. `statuses` are those that may answer it; with `silent`
    nothing may; with neither, anything may. `never` are statuses that may not answer it. `taken` says that every check
    passes, `what` in a word which one does not."""

    requirement: str = ""
    statuses: frozenset[int] = frozenset()
    never: frozenset[int] = frozenset()
    silent: bool = False
    taken: bool = False
    what: str = "legal"


_OPEN: Final = Expected(what="open")


def _status(requirement: str, status: Status, what: str, *, optional: bool = False) -> Expected:
    statuses = {status, Status.NOT_SUPPORTED} if optional else {status}
    return Expected(requirement, frozenset(map(int, statuses)), what=what)


# ── What monitors take for granted ───────────────────────────────────────────────────────────────────

# What the monitor says of an answer before anybody asks whether it is the right one.
OF_ANSWERS: Final = frozenset({"R-WIRE-009", "R-WIRE-010", "R-WIRE-019", "R-WIRE-022", "R-WIRE-024"})
# What watches believe a tester that keeps to the specification, and one that draws its payloads does not.
BELIEVED: Final = frozenset(
    {
        *(PacketType.PWR_SOURCE_CAPS, PacketType.PWR_READY, PacketType.PWR_RESET, PacketType.TRUST_POLICY),
        *(PacketType.PWR_REQUEST, PacketType.PWR_RESERVE, PacketType.PIN_TEST, PacketType.HELLO, PacketType.FW_BEGIN),
        *(PacketType.TIME_SYNC, PacketType.FW_PULL, PacketType.PWR_ROLE_SWAP),
    }
)


# ── The order of the checks ──────────────────────────────────────────────────────────────────────────


class Oracles:
    """What holds for one implementation, by its role and its features (None: not known)."""

    def __init__(self, catalogue: ir.Catalogue, role: Role, features: frozenset[str] | None) -> None:
        self._catalogue, self._role, self._features = catalogue, role, features
        self._finders = Finders(catalogue)
        self._machines = [m for m in catalogue.machines if m.role is role]
        self._allows = {s.name: s.allows for m in self._machines if m.name == "ATTACH" for s in m.states}

    def expect(self, data: bytes, lane: int, places: Places | None) -> Expected:
        """What must become of bytes that arrive on a lane. `places` is where the machines are; None: not known."""
        error = None
        try:
            packet = codec.decode(data)
        except DecodeError as found:
            error = found
            if found.packet is None:
                return self._unreadable(data, found)
            packet = found.packet
        if packet.rsp:
            return Expected("R-WIRE-004", silent=True, what="response")
        found_ = self._judged(packet, lane, places, error)
        if packet.txn:
            return found_
        return Expected("R-WIRE-003", silent=True, taken=found_.taken, what=f"event {found_.what}")

    @staticmethod
    def _unreadable(data: bytes, error: DecodeError) -> Expected:
        if error.fault is not Fault.CONST or error.path != "major":
            return Expected("R-WIRE-001", silent=True, what="crc")
        if data[0] >> 3 & 1:
            return Expected("R-WIRE-004", silent=True, what="major response")
        if not int.from_bytes(data[6:8], "little"):
            return Expected("R-WIRE-003", silent=True, what="major event")
        return _status("R-WIRE-007", Status.BAD_VERSION, "major")

    def _judged(self, packet: Packet, lane: int, places: Places | None, error: DecodeError | None) -> Expected:
        declared = self._catalogue.by_code.get(packet.type)
        form = Form.REQUEST if packet.txn else Form.EVENT
        if declared is None:
            return _status("R-WIRE-005", Status.NOT_SUPPORTED, "type")
        if packet.more:
            return _status("R-WIRE-033", Status.NOT_SUPPORTED, "more")
        if form not in declared.forms:
            return _status("R-WIRE-005", Status.NOT_SUPPORTED, "form")
        return (
            self._absent(declared, form)
            or self._addressed(declared, packet, lane)
            or self._inopportune(declared, form, places)
            or self._paid(declared, form, packet, error)
        )

    def _absent(self, declared: ir.Packet, form: Form) -> Expected | None:
        """Direction and feature."""
        features = self._features
        if declared.name in GATEWAY or features is None:
            return _OPEN
        if declared.sender in (Role.SOURCE, Role.SINK):
            if "ROLE_SWAP" in features:
                return _OPEN
            own = Role.SINK if self._role is Role.MODULE else Role.SOURCE
        else:
            own = self._role
        if declared.sender is own:
            return _status("R-WIRE-006", Status.NOT_SUPPORTED, "direction")
        if not met(declared.needs, features):
            key = f"{declared.name}.absent"
            if form is Form.REQUEST and key in self._catalogue.by_key:
                return _status(self._catalogue.by_key[key].id, Status.NOT_SUPPORTED, "absent")
            return Expected(what="absent")
        return None

    def _addressed(self, declared: ir.Packet, packet: Packet, lane: int) -> Expected | None:
        """Virtual channel, stack position, lane."""
        channel = self._catalogue.channel[declared.channel]
        optional = declared.optional
        if packet.vc != channel.value:
            if channel.name == "STREAM0" and 8 <= packet.vc <= 11:
                return _OPEN
            return _status("R-WIRE-012", Status.BAD_VALUE, "channel", optional=optional)
        if packet.instance:
            if packet.instance <= STACK_ELEMENTS:
                return _OPEN  # an element may be there
            return _status("R-WIRE-018", Status.NO_SUCH_ID, "instance", optional=optional)
        if Lane(lane).name.lower() not in declared.lanes:
            return _status("R-WIRE-028", Status.BAD_STATE, "lane", optional=optional)
        return None

    def _inopportune(self, declared: ir.Packet, form: Form, places: Places | None) -> Expected | None:
        """The state: the gate's, and that of every machine that knows the type."""
        if places is None or places.get("ATTACH", "BOOT") == "BOOT":
            return _OPEN  # before its first BEACON a module may leave unanswered whatever comes (R-ATT-001)
        refused = _status("R-WIRE-027", Status.BAD_STATE, "state", optional=declared.optional)
        fleeting = False
        if declared.name not in self._allows.get(places["ATTACH"], ()):
            return refused
        for machine in self._machines:
            states = _knowing(machine.name, machine.role, declared.name, form)
            if states and machine.name in places and places[machine.name] not in states:
                if f"{machine.name}.{places[machine.name]}" not in FLEETING:
                    return refused
                fleeting = True
        return _OPEN if fleeting else None

    def _paid(self, declared: ir.Packet, form: Form, packet: Packet, error: DecodeError | None) -> Expected:
        """The payload: its fields in wire order, then the members of enumerations."""
        if error is not None:
            if self._doubtful(declared, form):
                return _OPEN
            status = Status.BAD_LENGTH if error.fault in (Fault.SHORT, Fault.LONG) else Status.BAD_VALUE
            found = self._of_fault(declared, form, error)
            return _status(found, status, f"{error.fault}", optional=declared.optional)
        find = self._finders.of(declared.forms[form])
        for what, path in find(packet.body) if find else ():
            if what == "member":
                if "." in path and self._doubtful(declared, form):
                    return _OPEN
                key = key_of(self._catalogue, declared, form, path, "member")
                found = self._by_key(key, "R-WIRE-025")
                return _status(found, Status.BAD_VALUE, "member", optional=declared.optional)
        return Expected("R-WIRE-020", never=frozenset(map(int, COMPLAINTS)), taken=True)

    def _doubtful(self, declared: ir.Packet, form: Form) -> bool:
        """Whether the payload may hold TLVs that belong to features which are not there: such are skipped."""
        parts = self._catalogue.layout[declared.forms[form]].parts
        spaces = [self._catalogue.space[p.space] for p in parts if isinstance(p, ir.Tlvs)]
        return any(not met(t.needs, self._features or ()) for space in spaces for t in space.types)

    # ── The requirement of a fault ──

    def _of_fault(self, declared: ir.Packet, form: Form, error: DecodeError) -> str:
        """That of the very field that does not decode; the order of the checks where none has a requirement."""
        path = error.path.split(".", 2)[2] if error.path.count(".") > 1 else ""
        field = ".".join(part.partition("[")[0] for part in path.split("."))
        if error.fault in (Fault.SHORT, Fault.LONG):
            parts = ir.fields_of(self._catalogue.layout[declared.forms[form]].parts)
            in_tlvs = any(isinstance(p, ir.Tlvs) and p.name == field.partition(".")[0] for p in parts)
            return self._by_key(f"{declared.name}.{form}.{'tlvs' if in_tlvs else 'short'}", "R-WIRE-025")
        key = key_of(self._catalogue, declared, form, field, str(error.fault))
        return self._by_key(key, "R-WIRE-025")

    def _by_key(self, key: str, fallback: str) -> str:
        known = self._catalogue.by_key.get(key)
        return known.id if known else fallback


@cache
def _knowing(machine: str, role: Role, packet: str, form: Form) -> frozenset[str]:
    """The states in which a machine has a row for a packet; empty if it has none at all."""
    from opalink.protocol.ir.load import catalogue

    declared = next(m for m in catalogue().machines if m.name == machine and m.role is role)
    return frozenset(s for r in declared.rows if r.event == Received(packet, form) for s in r.states)


@cache
def moves_itself(machine: str, before: str, after: str) -> bool:
    """Whether a machine of a module may go from one state to the other without a packet."""
    from opalink.protocol.ir.load import catalogue

    declared = next(m for m in catalogue().machines if m.name == machine and m.role is Role.MODULE)
    return any(before in r.states and r.next == after and not isinstance(r.event, Received) for r in declared.rows)
