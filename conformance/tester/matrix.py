"""The matrix of states and packets: where a session can bring an implementation, and what is legal there.

A cell has one declared outcome. It is legal where the attach machine allows the type and every machine that has rows
for it has one in the state in which it then is; elsewhere a request is answered BAD_STATE. Two states of a machine that
refuse the same requests are alike, so one of them stands for both; a state that is like none here has a reason.

Plan: the states · which are brief, dark, or out of reach · the matrix.
"""

from collections.abc import Iterable
from typing import Final

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.legality import REFUSAL
from opalink.spec.form import Answer, Form, Received, Role

# ── The states ───────────────────────────────────────────────────────────────────────────────────────

# On the packet plane the bench gateway trains in the implementation's stead: these do not reach it (`spec.link`).
GATEWAY: Final = frozenset({"TRAIN_REQ", "TRAIN_STATUS", "LINK_PARAMS", "VC_RESYNC"})

# The area of each machine's requirements.
AREAS: Final = {
    "ATTACH": "ATT", "LINK": "LNK", "AUTH": "SEC", "FIRMWARE": "SEC", "POWER": "PWR", "CAPTURE": "CAP",
    "FRAME": "FRM", "FOCUS": "LEN", "TIME": "TIM",
}  # fmt: skip

_IDLE: Final = {
    "LINK": "L0",
    "POWER": "BOOT",
    "CAPTURE": "UNCONFIGURED",
    "FOCUS": "IDLE",
    "AUTH": "NONE",
    "FIRMWARE": "IDLE",
    "TIME": "FREE",
}
_READY: Final = {"ATTACH": "READY_FULL", **_IDLE}
_CONTRACT: Final = {**_READY, "POWER": "CONTRACT"}
# What stands for what: a session is in either.
_ALIKE: Final = {"READY_FULL": frozenset({"READY_BASIC", "READY_FULL"})}
# Those that a session can bring about, with where each machine of the module then is.
STATES: Final[dict[str, dict[str, str]]] = {
    "BEACON": {**_READY, "ATTACH": "BEACON", "LINK": "L2_BEACON"},
    "NEGOTIATE": {**_READY, "ATTACH": "BEACON", "LINK": "NEGOTIATE"},
    "HELLO": {**_READY, "ATTACH": "HELLO"},
    "READY": _READY,
    "TRUSTED": {**_READY, "AUTH": "GENUINE"},
    "CONFIGURED": {**_CONTRACT, "CAPTURE": "CONFIGURED"},
    "STREAMING": {**_CONTRACT, "CAPTURE": "STREAMING"},
    "DRAINING": {**_CONTRACT, "CAPTURE": "DRAINING"},
    "PAUSED": {**_CONTRACT, "CAPTURE": "PAUSED"},
    "DOWNLOAD": {**_READY, "FIRMWARE": "DOWNLOAD"},
    "REQUESTED": {**_READY, "POWER": "REQUESTED"},
    "TRANSITION": {**_READY, "POWER": "TRANSITION"},
    "SOURCE": {**_READY, "POWER": "SOURCE"},
    "HARD_RESET": {**_READY, "POWER": "HARD_RESET"},
    "POWER_FAULT": {**_READY, "POWER": "FAULT"},
    "DETACHING": {**_READY, "ATTACH": "DETACHING"},
    "LINK_LOST": {**_READY, "ATTACH": "LINK_LOST", "LINK": "L2_BEACON"},
    "PAUSED_LINK": {**_CONTRACT, "ATTACH": "LINK_LOST", "LINK": "L2_BEACON", "CAPTURE": "PAUSED_LINK"},
}
# Those that the tester's module can bring a phone to: it offers power as soon as there is a session.
_OFFERED: Final = {**_READY, "POWER": "CAPS_SENT"}
PHONE_STATES: Final[dict[str, dict[str, str]]] = {
    "BEACON": {**_READY, "ATTACH": "BEACON", "LINK": "L3_OFF"},
    "HELLO": {**_READY, "ATTACH": "HELLO"},
    "READY": _OFFERED,
    "STREAMING": {**_CONTRACT, "CAPTURE": "STREAMING"},
    "DETACHING": {**_OFFERED, "ATTACH": "DETACHING"},
    "LINK_LOST": {**_OFFERED, "ATTACH": "LINK_LOST", "LINK": "L2_BEACON"},
}
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "TRUSTED": ("SECURITY",),
    "CONFIGURED": ("SENSOR",),
    "STREAMING": ("SENSOR",),
    "DRAINING": ("VIDEO", "SENSOR"),
    "PAUSED": ("SENSOR",),
    "DOWNLOAD": ("FIRMWARE",),
    "REQUESTED": ("CONTRACT",),
    "TRANSITION": ("CONTRACT",),
    "SOURCE": ("ROLE_SWAP",),
    "HARD_RESET": ("CONTRACT",),
    "POWER_FAULT": ("CONTRACT",),
    "HELLO": ("LASER",),
    "NEGOTIATE": ("LASER",),
    "PAUSED_LINK": ("VIDEO", "SENSOR", "LASER"),
    "TEST": ("LASER",),
}
# What else must hold before a request gets past the state check; a guard of its machine asks for it.
_GUARDED: Final = {"BERT_RUN": "TEST"}
# Requests that a guard may refuse with BAD_STATE for what they ask: their payload is looked at before.
_WEIGHED: Final = frozenset({"LINK_PM", "MARGIN"})

# ── Brief, dark, out of reach ────────────────────────────────────────────────────────────────────────

# They end by themselves, some before a slow module has said where it is: what shows too late shows nothing.
BRIEF: Final = frozenset({"DRAINING", "REQUESTED", "TRANSITION", "NEGOTIATE"})
# And this one lasts no longer than a slow answer to a state probe, but for a time that the specification gives.
FLEETING: Final = BRIEF | {"HARD_RESET"}
# Without light, or without channels, there is the sideband alone.
DARK: Final = frozenset({"BEACON", "LINK_LOST", "PAUSED_LINK", "NEGOTIATE"})
# An implementation that does not train itself is never seen in these: the FLIT plane alone shows them.
TRAINING: Final = frozenset({"NEGOTIATE"})
UNREACHED: Final = {
    "ATTACH.DETACHED": "The contacts are open: nothing reaches it.",
    "ATTACH.BOOT": "Before its first BEACON it may leave unanswered whatever comes (R-ATT-001).",
    "ATTACH.FAULT": "Nothing at a bench makes a module's self-test fail.",
    "POWER.OFF": "There is no power: nothing reaches it.",
    "CAPTURE.ERROR": "Nothing at a bench makes a sensor fail.",
    "FIRMWARE.APPLY": "It takes an image that the module's vendor has signed.",
    "FIRMWARE.STAGED": "As FIRMWARE.APPLY.",
    "FIRMWARE.ACTIVATE_PENDING": "As FIRMWARE.APPLY.",
}

# What becomes of an event in a state, by the statuses under which it is counted there.
UNANSWERED: Final = {
    (): "it answers nothing and goes on working",
    ("OK",): "it answers nothing, goes on working, and counts no packet as illegal in its state",
    ("BAD_STATE",): "it answers nothing, goes on working, and counts a packet as illegal in its state",
}

# ── The matrix ───────────────────────────────────────────────────────────────────────────────────────


class Matrix:
    """The cells of implementations of one role."""

    def __init__(self, catalogue: ir.Catalogue, role: Role) -> None:
        self._role = role
        self._machines = [m for m in catalogue.machines if m.role is role]
        self.states = STATES if role is Role.MODULE else PHONE_STATES
        self._allows = {s.name: s.allows for m in self._machines if m.name == "ATTACH" for s in m.states}

    def _places(self, packet: ir.Packet) -> dict[str, set[str]]:
        """For each machine that has rows for a request of this type, the states in which it has one."""
        asked = Received(packet.name, Form.REQUEST)
        found = {m.name: {s for r in m.rows if r.event == asked for s in r.states} for m in self._machines}
        return {machine: rows for machine, rows in found.items() if rows and machine != "ATTACH"}

    def cells(self, packet: ir.Packet) -> dict[str, bool]:
        """For each state that a session can reach, whether a request of this type gets past the state check there."""
        places = self._places(packet)
        return {
            name: packet.name in self._allows[at["ATTACH"]]
            and all(at[machine] in rows for machine, rows in places.items())
            for name, at in self.states.items()
        }

    def counted(self, packet: ir.Packet, state: str) -> tuple[str, ...]:
        """Under which statuses an event of this type is counted in a state: OK stands for none. Nothing is said of one
        that the other side of the power never sends."""
        if self._role is not Role.MODULE or packet.sender not in (Role.PHONE, Role.BOTH, Role.SOURCE):
            return ()
        return ("OK",) if packet.name in self._allows[self.states[state]["ATTACH"]] else (REFUSAL,)

    def may_refuse(self, packet: ir.Packet, state: str) -> bool:
        """Whether a row of a machine answers a request of this type with BAD_STATE, though it is legal there."""
        at = self.states.get(state)
        asked, refusal = Received(packet.name, Form.REQUEST), Answer(REFUSAL)
        return at is None or any(
            r.event == asked and refusal in r.actions and not _ALIKE.get(at[m.name], {at[m.name]}).isdisjoint(r.states)
            for m in self._machines
            if m.name in at
            for r in m.rows
        )

    def doubtful(self, packet: ir.Packet, state: str) -> bool:
        """Whether the answer to a legal request with every field at its default may not show that it is legal."""
        return packet.optional or (packet.name in _WEIGHED and self.may_refuse(packet, state))

    def home(self, packet: ir.Packet) -> str:
        """The state in which a request of this type is tested: the first session state in which it is legal."""
        cells = self.cells(packet)
        usual = [s for s in ("READY", *self.states) if cells[s]]
        return _GUARDED.get(packet.name, usual[0] if usual else "READY")

    def refused(self, requests: Iterable[ir.Packet]) -> dict[str, frozenset[str]]:
        """For each state of each machine, as MACHINE.STATE, the requests that it refuses."""
        asked = [p for p in requests if p.name not in GATEWAY]
        out = {f"ATTACH.{s}": frozenset(p.name for p in asked if p.name not in a) for s, a in self._allows.items()}
        for machine in self._machines:
            if machine.name != "ATTACH":
                rows = {p.name: self._places(p).get(machine.name) for p in asked}
                for s in machine.states:
                    refused = frozenset(name for name, found in rows.items() if found and s.name not in found)
                    out[f"{machine.name}.{s.name}"] = refused
        return out


def reachable(packet: ir.Packet, state: str) -> bool:
    """Whether a packet of this type can be sent to an implementation in a state: there must be a lane for it, and what
    only a source sends is none that a source receives."""
    return (state not in DARK or "sideband" in packet.lanes) and not (
        state == "SOURCE" and packet.sender is Role.SOURCE
    )
