"""Attaching, the session and its end: the words of the attach machine.

Plan: the session · beacon and keep-alive · guards · effects · answers · faults.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.surroundings import Opening
from opalink.protocol.packets import (
    Beacon,
    CounterId,
    DeviceRole,
    EjectPhase,
    EjectResponse,
    FaultEvent,
    FaultSeverity,
    HelloResponse,
    Keepalive,
    LaserClass,
    ModuleClass,
    PowerClass,
    ResetLevel,
    Subsystem,
)
from opalink.spec.limits import VERSION_MAJOR, VERSION_MINOR

_VERSIONS: Final = ((VERSION_MAJOR, VERSION_MINOR),)  # rising
_U32: Final = 0xFFFF_FFFF
_NO_LASER: Final = -32_768  # dBm × 100


class Session(ModulePart):
    """`number` is 0 without a session."""

    machine = "ATTACH"

    def restart(self) -> None:
        self.number = 0
        self.nonces = (0, 0)  # of the last HELLO: the phone's, the module's
        self.nonce = self.end.random.getrandbits(64)
        self.peer_beacon: Beacon | None = None
        self.opening: Opening = (None, None, None, None)  # what it was that the last HELLO opened or resumed
        self.proven = False  # the peer's BEACON has come since the contacts closed
        self.trusted = False  # TRUST_POLICY has come since the last HELLO
        self._first = self.end.random.getrandbits(32)
        self._sessions = 0
        self.fault: tuple[Status, Subsystem] = (Status.OK, Subsystem.LINK)
        self._faults: dict[tuple[int, int], list[int]] = {}
        self._pulses = 0

    # ── Beacon and keep-alive ──

    def fill_beacon(self, _: Cause) -> Beacon:
        link = self.end.identity.record("link")
        return Beacon(
            major=_VERSIONS[-1][0],
            minor=_VERSIONS[-1][1],
            role=DeviceRole.MODULE,
            gears_down=link.gears_down if link else 0,
            gears_up=link.gears_up if link else 0,
            fecs=link.fec if link else 0,
            module_class=self._class(),
            laser_class=link.laser_class if link else LaserClass.NONE,
            max_tx=link.tx_max if link else _NO_LASER,
            boot_class=PowerClass.P0,
            nonce=self.nonce,
        )

    def _class(self) -> ModuleClass:
        if self.end.has("SENSOR"):
            return ModuleClass.CAMERA
        if self.end.has("LENS"):
            return ModuleClass.LENS
        return ModuleClass.FILTER if self.end.has("CONTRACT") else ModuleClass.ELEMENT

    def heard_beacon(self, cause: Cause) -> None:
        """A peer that has started anew knows nothing of transactions before."""
        if self.peer_beacon is None or cause.body.nonce != self.peer_beacon.nonce:
            self.end.forget_exchanges()
        self.peer_beacon = cause.body
        self.proven = True

    def fill_keepalive(self, _: Cause) -> Keepalive:
        self._pulses = self._pulses + 1 & _U32
        return Keepalive(seq=self._pulses, uptime=self.end.uptime, health=self.end.health)

    # ── Guards ──

    def when_asleep(self, _: Cause) -> bool:
        return self.end.asleep

    def when_in_session(self, _: Cause) -> bool:
        return self.number != 0

    def when_has_laser(self, _: Cause) -> bool:
        return self.end.has("LASER")

    def when_offers_security(self, _: Cause) -> bool:
        return self.end.has("SECURITY")

    def when_light_seen(self, _: Cause) -> bool:
        return self.end.has("LASER") and self.around.light

    def when_version_common(self, cause: Cause) -> bool:
        return self._version(cause) is not None

    def _version(self, cause: Cause) -> tuple[int, int] | None:
        ask = cause.body
        low, high = (ask.low_major, ask.low_minor), (ask.high_major, ask.high_minor)
        return next((v for v in reversed(_VERSIONS) if low <= v <= high), None)

    def when_resuming(self, cause: Cause) -> bool:
        return bool(cause.body.resume_session)

    def when_resume_matches(self, cause: Cause) -> bool:
        ask = cause.body
        return ask.resume_session == self.number and (ask.last_phone_nonce, ask.last_module_nonce) == self.nonces

    def when_trust_settled(self, _: Cause) -> bool:
        return self.trusted or not self.end.has("SECURITY")

    def when_phase_prepare(self, cause: Cause) -> bool:
        return cause.body.phase is EjectPhase.PREPARE

    def when_phase_commit(self, cause: Cause) -> bool:
        return cause.body.phase is EjectPhase.COMMIT

    def when_phase_abort(self, cause: Cause) -> bool:
        return cause.body.phase is EjectPhase.ABORT

    def when_level_protocol(self, cause: Cause) -> bool:
        return cause.body.level is ResetLevel.PROTOCOL

    def when_level_link(self, cause: Cause) -> bool:
        return cause.body.level is ResetLevel.LINK

    def when_level_module(self, cause: Cause) -> bool:
        return cause.body.level is ResetLevel.MODULE

    # ── Effects ──

    def do_boot(self, _: Cause) -> None:
        """Restart, once what was answered has left."""
        self.end.clock.start(("session", "boot"), 0, self.end.boot)

    def do_new_session(self, cause: Cause) -> None:
        self._sessions += 1
        self.number = (self._first + self._sessions) % _U32 + 1
        self._greeted(cause)
        self.end.count(CounterId.SESSIONS)

    def do_resume_session(self, cause: Cause) -> None:
        self._greeted(cause)
        self.end.count(CounterId.RESUMES)

    def _greeted(self, cause: Cause) -> None:
        self.nonces = (cause.body.phone_nonce, self.end.random.getrandbits(64))
        self.trusted = False

    def do_end_session(self, _: Cause) -> None:
        self.number, self.nonces, self.trusted = 0, (0, 0), False
        self.end.forget_exchanges()

    def do_erase(self, _: Cause) -> None:
        self.end.erase()

    def heard_trust_policy(self, _: Cause) -> None:
        self.trusted = True

    # ── Answers ──

    def answer_hello(self, cause: Cause) -> HelloResponse:
        version = self._version(cause) or _VERSIONS[-1]
        identity = self.end.identity
        given = HelloResponse(
            major=version[0],
            minor=version[1],
            session=self.number,
            module_nonce=self.nonces[1],
            features=identity.mask,
            desc_size=len(identity.descriptor),
            desc_sha256=identity.sha256,
            schema_hash=self.end.schema_hash,
        )
        self.opening = (self.peer_beacon, self.fill_beacon(cause), self.end.link_params, (cause.body, given))
        return given

    def answer_eject(self, _: Cause) -> EjectResponse:
        frames, size = self.end.unsent()
        return EjectResponse(pending_frames=min(frames, 0xFFFF), pending_bytes=size)

    # ── Faults ──

    def report(self, code: Status, severity: FaultSeverity, subsystem: Subsystem) -> Any:
        """Say that something is wrong: FAULT_EVENT, with how often it was."""
        return self.end.send(self._fault_event(code, severity, subsystem))

    def _fault_event(self, code: Status, severity: FaultSeverity, subsystem: Subsystem) -> FaultEvent:
        entry = self._faults.setdefault((code, subsystem), [0, self.end.link_time])
        entry[0] += 1
        return FaultEvent(code=code, severity=severity, subsystem=subsystem, count=entry[0], first_ns=entry[1])

    def fill_fault_event(self, _: Cause) -> FaultEvent:
        return self._fault_event(self.fault[0], FaultSeverity.FATAL, self.fault[1])
