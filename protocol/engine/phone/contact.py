"""Attaching a module and keeping its session: the words of the phone's attach machine.

Plan: what is kept · guards · effects · what it sends · keep-alive and faults.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.light import Light
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.surroundings import Opening
from opalink.protocol.packets import (
    Beacon,
    CounterId,
    DeviceRole,
    Eject,
    EjectPhase,
    FaultEvent,
    FaultSeverity,
    Feature,
    Hello,
    HelloResponse,
    Keepalive,
    KeepaliveResponse,
    LaserClass,
    ModuleClass,
    PowerClass,
    ResetLevel,
    Subsystem,
    SubsystemMask,
)
from opalink.spec.form import Local
from opalink.spec.limits import VERSION_MAJOR, VERSION_MINOR

_U32: Final = 0xFFFF_FFFF
_GRACE: Final = 1000  # ms that a user waits for a removal
_TX: Final = 300  # dBm × 100


class Contact(PhonePart):
    """`beacon` is the module's, `greeting` its answer to the last HELLO; None as long as there is none."""

    machine = "ATTACH"
    conditions = frozenset({Status.MOISTURE, Status.CONTACT_BAD})

    def restart(self) -> None:
        self.beacon: Beacon | None = None
        self.greeting: HelloResponse | None = None
        self.supplying = False  # whether the contacts carry what this side supplies
        self.nonce = self.end.random.getrandbits(64)
        self._nonces = (0, 0)  # of the last HELLO that was answered: the phone's, the module's
        self.opening: Opening = (None, None, None, None)  # what it was that the last HELLO opened or resumed
        self.auth_done = False  # whether the phone has come to a conclusion since the last HELLO
        self._pulses = 0
        self._faults: dict[tuple[int, int], list[int]] = {}
        self.fault: tuple[Status, Subsystem] = (Status.OK, Subsystem.POWER)

    @property
    def session(self) -> int:
        """The session's number; 0 without one."""
        return self.greeting.session if self.greeting else 0

    @property
    def proven(self) -> bool:
        """Whether the module's BEACON has come since the contacts closed."""
        return self.beacon is not None

    def spoil_nonces(self) -> None:
        """Hold other nonces than those of the session, as after a crash that lost the last."""
        self._nonces = (self._nonces[0] ^ 1, self._nonces[1] ^ 1)

    # ── Guards ──

    def when_asleep(self, _: Cause) -> bool:
        return self.end.part(Light).asleep

    def when_in_session(self, _: Cause) -> bool:
        return self.greeting is not None

    def when_signature_good(self, _: Cause) -> bool:
        return not self.around.has(Status.MOISTURE)

    def when_class_good(self, _: Cause) -> bool:
        return not self.around.has(Status.CONTACT_BAD)

    def when_nonce_new(self, cause: Cause) -> bool:
        return self.beacon is None or cause.body.nonce != self.beacon.nonce

    def when_lane_up(self, cause: Cause) -> bool:
        told = cause.body if isinstance(cause.body, Beacon) else self.beacon
        laserless = told is not None and told.laser_class == LaserClass.NONE
        return laserless or self.end.runs["LINK"].state == "L0"

    def when_version_refused(self, cause: Cause) -> bool:
        return cause.arrived.status is Status.BAD_VERSION

    def when_session_unknown(self, cause: Cause) -> bool:
        return cause.arrived.status is Status.NEEDS_SESSION

    def when_auth_done(self, _: Cause) -> bool:
        return self.auth_done

    def when_level_protocol(self, cause: Cause) -> bool:
        return cause.asked is not None and cause.asked.body.level is ResetLevel.PROTOCOL

    def when_level_link(self, cause: Cause) -> bool:
        return cause.asked is not None and cause.asked.body.level is ResetLevel.LINK

    def when_answers_prepare(self, cause: Cause) -> bool:
        return cause.asked is not None and cause.asked.body.phase is EjectPhase.PREPARE

    def when_answers_commit(self, cause: Cause) -> bool:
        return cause.asked is not None and cause.asked.body.phase is EjectPhase.COMMIT

    # ── Effects ──

    def do_keep_module(self, cause: Cause) -> None:
        """One that has started anew knows nothing of transactions before, and of no epoch."""
        self.end.part(Light).epoch = 0
        self.beacon = cause.body
        self.end.forget_exchanges()

    def do_keep_session(self, cause: Cause) -> None:
        resumed = self.greeting is not None and self.greeting.session == cause.body.session
        self.greeting, self.auth_done = cause.body, False
        self._nonces = (cause.asked.body.phone_nonce if cause.asked else 0, cause.body.module_nonce)
        hello = (cause.asked.body, cause.body) if cause.asked else None
        self.opening = (self.fill_beacon(cause), self.beacon, self.end.part(Light).params, hello)
        self.end.count(CounterId.RESUMES if resumed else CounterId.SESSIONS)

    def do_end_session(self, _: Cause) -> None:
        self.greeting, self.auth_done = None, False
        self.end.forget_exchanges()

    def do_supply_boot(self, _: Cause) -> None:
        self.supplying = True

    def do_supply_off(self, _: Cause) -> None:
        self.supplying, self.beacon = False, None

    def do_clean_up(self, _: Cause) -> None:
        self.supplying, self.beacon = False, None
        self.end.clean_up()

    # ── What it sends ──

    def fill_beacon(self, _: Cause) -> Beacon:
        down, up = self.end.part(Light).gears
        return Beacon(
            major=VERSION_MAJOR,
            minor=VERSION_MINOR,
            role=DeviceRole.PHONE,
            gears_down=down,
            gears_up=up,
            fecs=self.end.fecs,
            module_class=ModuleClass.NONE,
            laser_class=LaserClass.CLASS_1,
            max_tx=_TX,
            boot_class=PowerClass.P0,
            nonce=self.nonce,
        )

    def fill_hello(self, _: Cause) -> Hello:
        """A new session, or the one that a lost link interrupted."""
        last_phone, last_module = self._nonces if self.greeting else (0, 0)
        return Hello(
            low_major=VERSION_MAJOR,
            low_minor=0,
            high_major=VERSION_MAJOR,
            high_minor=VERSION_MINOR,
            features=sum(Feature[name] for name in self.end.features),
            phone_nonce=self.end.random.getrandbits(64),
            resume_session=self.session,
            last_phone_nonce=last_phone,
            last_module_nonce=last_module,
        )

    def fill_eject(self, cause: Cause) -> Eject:
        row = cause.row
        if row is not None and row.next == "DETACHING":
            return Eject(phase=EjectPhase.PREPARE, grace=_GRACE)
        committed = row is not None and row.event == Local("fetched")
        return Eject(phase=EjectPhase.COMMIT if committed else EjectPhase.ABORT, grace=_GRACE)

    # ── Keep-alive and faults ──

    def fill_keepalive(self, _: Cause) -> Keepalive:
        self._pulses = self._pulses + 1 & _U32
        return Keepalive(seq=self._pulses, uptime=self.end.uptime, health=SubsystemMask(0))

    def answer_keepalive(self, cause: Cause) -> KeepaliveResponse:
        return KeepaliveResponse(seq=cause.body.seq, uptime=self.end.uptime, health=SubsystemMask(0))

    def fill_fault_event(self, _: Cause) -> FaultEvent:
        code, subsystem = self.fault
        entry = self._faults.setdefault((code, subsystem), [0, self.end.link_time])
        entry[0] += 1
        return FaultEvent(
            code=code, severity=FaultSeverity.FATAL, subsystem=subsystem, count=entry[0], first_ns=entry[1]
        )
