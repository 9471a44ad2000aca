"""Watches: passive oracles with a memory, chapter by chapter.

A watch names the value classes that it hears and judges what they say against what came before. It charges what it
sees broken and notes what it sees kept.

Plan: the watch · management and link · power · time and motion · lens · firmware.
"""

from typing import Any, ClassVar

from opalink.conformance.tester.ledger import Heard, Ledger
from opalink.protocol import packets as p
from opalink.protocol.packets import LensField, PropertyTag, TimeClass, TimeState
from opalink.spec.form import MS, SECOND

# ── The watch ────────────────────────────────────────────────────────────────────────────────────────


class Watch:
    """Part of a monitor. `hears` maps a value class to the method that judges it."""

    hears: ClassVar[dict[type, str]] = {}

    def __init__(self, monitor: Ledger) -> None:
        self.monitor = monitor

    def begin(self) -> None:
        """A new binding."""

    def restarted(self) -> None:
        """The implementation starts anew within a binding: what it counted, held and had open is gone."""
        self.begin()

    def told(self, body: Any, time: int) -> None:
        """The tester sends a request, an event or a response around this value."""

    def answered(self, txn: int) -> None:
        """The tester answers a request of the implementation's."""

    def severed(self) -> None:
        """A lane carries nothing any more: what was to come may have been lost with it."""

    def end(self, now: int) -> None:
        """The test is over."""


# ── Management and link ──────────────────────────────────────────────────────────────────────────────


class Management(Watch):
    """Pending requests, counters, generations, faults."""

    hears: ClassVar = {
        p.Pending: "pending",
        p.DescChanged: "changed",
        p.FaultEvent: "fault",
        p.PropChanged: "properties",
        p.Beacon: "beacon",
        p.CountersGetResponse: "counters",
        p.ModeTableResponse: "modes",
        p.HelloResponse: "greeted",
    }

    def begin(self) -> None:
        self._epoch = -1
        self._counts: dict[int, int] = {}
        self.restarted()

    def restarted(self) -> None:
        # Counters are not forgotten: that they begin anew shows in their epoch.
        self._generation: int | None = None
        self._stack: int | None = None
        self._faults: dict[tuple[int, int], int] = {}

    def greeted(self, _: Heard) -> None:
        # What a restart began anew is counted anew.
        self._generation = self._stack = None

    def pending(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        asked = m.open.get(body.txn)
        known = asked is not None and not asked.answers
        overtaken = asked is not None and asked.answers and heard.packet and heard.packet.t_ns <= asked.stamp
        m.judge("R-MGT-031", known or bool(overtaken), "the transaction of an open request", f"{body.txn}")
        if asked is not None and known:
            refresh = m.catalogue.timer["tPendingRefresh"].max or 0
            if asked.pending:
                m.in_time("R-MGT-030", heard.time - asked.pending, refresh, "PENDING")
            m.pending(body, heard.time)

    def end(self, now: int) -> None:
        m = self.monitor
        refresh = m.catalogue.timer["tPendingRefresh"].max or 0
        for asked in m.open.values():
            if asked.pending and asked.answers:
                m.keep("R-MGT-032")
            elif asked.pending and now - asked.pending > refresh + m.slack:
                m.charge("R-MGT-030", f"PENDING within {refresh} ns", f"none for {now - asked.pending} ns")

    def changed(self, heard: Heard) -> None:
        if self._generation is not None:
            wanted = self._generation + 1
            self.monitor.judge("R-MGT-014", heard.body.generation == wanted, f"{wanted}", f"{heard.body.generation}")
        self._generation = heard.body.generation

    def fault(self, heard: Heard) -> None:
        key = heard.body.code, heard.body.subsystem
        if key in self._faults:
            wanted = self._faults[key] + 1
            self.monitor.judge("R-MGT-036", heard.body.count == wanted, f"{wanted}", f"{heard.body.count}")
        self._faults[key] = heard.body.count

    def properties(self, heard: Heard) -> None:
        for tlv in heard.body.properties:
            if tlv.tag == PropertyTag.STACK_GENERATION:
                if self._stack is not None:
                    wanted = self._stack + 1
                    self.monitor.judge("R-PROP-005", tlv.value == wanted, f"{wanted}", f"{tlv.value}")
                self._stack = tlv.value

    def beacon(self, heard: Heard) -> None:
        self.monitor.keep("R-LNK-001")  # with another major version it would not have decoded
        role = p.DeviceRole[self.monitor.role.name]
        self.monitor.judge("R-LNK-005", heard.body.role == role, role.name, f"{heard.body.role!r}")

    def counters(self, heard: Heard) -> None:
        if heard.body.epoch != self._epoch:
            self._epoch, self._counts = heard.body.epoch, {}
        for c in heard.body.counters:
            least = self._counts.get(c.id, 0)
            self.monitor.judge("R-LNK-012", c.count >= least, f"at least {least}", f"{c.count} of {c.id!r}")
            self._counts[c.id] = c.count

    def modes(self, heard: Heard) -> None:
        numbers = [m.mode for m in heard.body.modes]
        self.monitor.judge("R-CAP-022", len(set(numbers)) == len(numbers), "each number once", f"{numbers}")


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────

BOOT_POWER, CLASS_P2 = 500, 3000  # mW (`spec.power`)
STATUS_PERIOD = 100 * MS  # R-PWR-001


class Power(Watch):
    """What a sink asks for and draws."""

    hears: ClassVar = {
        p.PwrRequest: "request",
        p.PwrStatus: "status",
        p.PwrFault: "fault",
        p.PwrReset: "reset",
        p.LinkEvent: "link",
        p.HelloResponse: "greeted",
    }

    def begin(self) -> None:
        self._generations: list[tuple[int, int]] = []  # of the offers, each with when they were made
        self._offers: tuple[Any, ...] = ()
        self._open: int | None = None
        self._limit: int | None = None  # mA of the contract that holds
        self._cap: int | None = None  # mW of TRUST_POLICY
        self._testing = self._granted = 0  # until when PIN_TEST or a peak excuses more
        self._resumed = False  # and no PWR_READY since
        self._told: tuple[int, p.PwrStatus] | None = None  # the last PWR_STATUS, and when
        self._faults: dict[int, int] = {}

    def told(self, body: Any, time: int) -> None:
        match body:
            case p.PwrSourceCaps() as caps:
                self._generations.append((time, caps.generation))
                self._offers = caps.offers
            case p.PwrReady() as ready:
                self._limit, self._resumed = ready.limit, False
            case p.TrustPolicy() as policy:
                self._cap = policy.max_power
            case p.PinTest() as test:
                self._testing = time + test.time * MS + SECOND
            case p.PwrReserveResponse() as peak:
                self._granted = max(self._granted, time + peak.window * MS + SECOND)
            case p.PwrReset() as reset:
                self._open = None
                if reset.level == p.PowerResetLevel.HARD:
                    self._limit = None
            case p.Hello():
                self._cap = None

    def answered(self, txn: int) -> None:
        if txn == self._open:
            self._open = None

    def request(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        m.judge("R-PWR-020", self._open is None, "no open PWR_REQUEST", f"{self._open} is open")
        if last := self._last_offered(heard.time - m.slack):
            named = body.generation in last
            m.judge("R-PWR-019", named, " or ".join(map(str, last)), f"{body.generation}")
        self._open = heard.packet.txn if heard.packet else None
        if self._cap is not None and body.object < len(self._offers):
            power = self._offers[body.object].max * body.operating // 1000
            m.judge("R-SEC-006", power <= self._cap, f"at most {self._cap} mW", f"{power} mW")

    def _last_offered(self, since: int) -> list[int]:
        """The generations that may be the last one received: of the last offers before a time, and of those that may
        have crossed what came then."""
        older = [g for g in self._generations if g[0] < since]
        self._generations = older[-1:] + self._generations[len(older) :]
        return [generation for _, generation in self._generations]

    def _flow(self, heard: Heard) -> None:
        """Between two reports, energy tells whether more has flowed throughout than class P2 allows: it is at least
        what that would have been, and both reports say so."""
        m, body, before = self.monitor, heard.body, self._told
        self._told = heard.time, body
        if before is None or min(body.power, before[1].power) <= CLASS_P2:
            return
        since = heard.time - before[0]
        flowed = body.energy - before[1].energy  # mJ
        if flowed * SECOND >= CLASS_P2 * since:
            m.in_time("R-PWR-001", since, STATUS_PERIOD, "PWR_STATUS")

    def status(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        self._flow(heard)
        if peak := m.peak:
            m.judge("R-DSC-015", body.power <= peak, f"at most {peak} mW", f"{body.power} mW")
        if heard.time <= max(self._testing, self._granted):
            return
        if self._resumed:
            m.judge("R-PWR-018", body.power <= CLASS_P2, f"at most {CLASS_P2} mW", f"{body.power} mW")
        if self._limit is None:
            m.judge("R-PWR-016", body.power <= BOOT_POWER, f"at most {BOOT_POWER} mW", f"{body.power} mW")
        else:
            m.judge("R-PWR-017", body.current <= self._limit, f"at most {self._limit} mA", f"{body.current} mA")

    def reset(self, heard: Heard) -> None:
        self._open = None
        if heard.body.level == p.PowerResetLevel.HARD:
            self._limit = None

    def greeted(self, heard: Heard) -> None:
        asked = heard.asked.body if heard.asked else None
        self._resumed = isinstance(asked, p.Hello) and bool(asked.resume_session)

    def link(self, _: Heard) -> None:
        """A link that comes or goes takes open requests with it, as far as the tester can tell."""
        self._open = None

    def fault(self, heard: Heard) -> None:
        body = heard.body
        if body.kind in self._faults:
            wanted = self._faults[body.kind] + 1
            self.monitor.judge("R-PWR-005", body.count == wanted, f"{wanted}", f"{body.count}")
        self._faults[body.kind] = body.count
        if body.latched:
            self._limit = None


# ── Time and motion ──────────────────────────────────────────────────────────────────────────────────

CLASS_BOUND = {TimeClass.T0: 50_000, TimeClass.T1: 1000, TimeClass.T2: 50}  # ns (`spec.realtime`)
GYRO_PERIOD = 10 * MS


class Realtime(Watch):
    """Time as the module says that it knows it, triggers, and evenly spaced samples."""

    hears: ClassVar = {
        p.TimeSync: "sync",
        p.TimeStatus: "time_status",
        p.TriggerFired: "fired",
        p.ImuBatch: "imu",
        p.OisSamples: "ois",
    }

    def begin(self) -> None:
        self._open: int | None = None
        self._asked = 0
        self._bound: int | None = None  # of the last TIME_STATUS of a hold-over
        self._imu: int | None = None  # link time of the last sample
        self._ois: int | None = None

    def answered(self, txn: int) -> None:
        if txn == self._open:
            self._open = None

    def sync(self, heard: Heard) -> None:
        asked = self._open
        if heard.time - self._asked > (self.monitor.catalogue.timer["tResponse"].max or 0) - self.monitor.slack:
            asked = None  # given up: nothing answers it any more
        self._open, self._asked = (heard.packet.txn if heard.packet else None), heard.time
        self.monitor.judge("R-TIM-005", asked is None, "no open TIME_SYNC", f"{asked} is open")

    def time_status(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        if body.state == TimeState.LOCKED and body.time_class in CLASS_BOUND:
            allowed = CLASS_BOUND[body.time_class]
            m.judge("R-TIM-006", body.bound <= allowed, f"a bound of at most {allowed} ns", f"{body.bound} ns")
        if body.state == TimeState.HOLDOVER:
            if self._bound is not None:
                m.judge("R-TIM-009", body.bound >= self._bound, f"at least {self._bound} ns", f"{body.bound} ns")
            self._bound = body.bound
        else:
            self._bound = None

    def fired(self, heard: Heard) -> None:
        body = heard.body
        error = body.actual - body.planned
        self.monitor.judge("R-TIM-014", body.error == error, f"{error}", f"{body.error}")

    def imu(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        if self._imu is not None:
            m.judge("R-TIM-017", body.t0 > self._imu, f"later than {self._imu}", f"{body.t0}")
        m.judge("R-TIM-018", body.dt <= GYRO_PERIOD, f"at most {GYRO_PERIOD} ns", f"{body.dt} ns")
        self._imu = body.t0 + (len(body.samples) - 1) * body.dt

    def severed(self) -> None:
        self._ois = None

    def ois(self, heard: Heard) -> None:
        body = heard.body
        if self._ois is not None and self.monitor.offer.get("streaming"):
            gap = body.t0 - self._ois
            self.monitor.judge("R-TIM-020", gap <= body.dt, f"a gap of at most {body.dt} ns", f"{gap} ns")
        self._ois = body.t0 + (len(body.samples) - 1) * body.dt


# ── Lens ─────────────────────────────────────────────────────────────────────────────────────────────

LENS_FIELDS = tuple((int(m), m.name.lower()) for m in LensField if m.name)
FOCUS_PERIOD = 100 * MS


class Lens(Watch):
    """What a lens and its controls report."""

    hears: ClassVar = {p.FocusState: "focus", p.LensState: "lens", p.ControlEvent: "control"}

    def begin(self) -> None:
        self._absolute: dict[int, int] = {}
        self._moving: int | None = None

    def severed(self) -> None:
        self._moving = None

    def focus(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        within = body.far_limit <= body.position <= body.near_limit
        m.judge("R-LEN-012", within, f"{body.far_limit} to {body.near_limit}", f"{body.position}")
        if self._moving is not None:
            m.in_time("R-LEN-011", heard.time - self._moving, FOCUS_PERIOD, "FOCUS_STATE")
        self._moving = heard.time if body.state == p.FocusActivity.MOVING else None

    def lens(self, heard: Heard) -> None:
        body = heard.body
        valid = int(body.valid)
        odd = [name for bit, name in LENS_FIELDS if not valid & bit and getattr(body, name)]
        self.monitor.judge("R-LEN-019", not odd, "0 for what is not valid", ", ".join(odd))

    def control(self, heard: Heard) -> None:
        body = heard.body
        before = self._absolute.get(body.control)
        if before is not None:
            wanted = (body.absolute - before + 0x8000) % 0x10000 - 0x8000
            self.monitor.judge("R-LEN-020", body.delta == wanted, f"{wanted}", f"{body.delta}")
        self._absolute[body.control] = body.absolute


# ── Firmware ─────────────────────────────────────────────────────────────────────────────────────────


class Firmware(Watch):
    """What a module pulls of an image."""

    hears: ClassVar = {p.FwPull: "pull", p.FwBeginResponse: "begun", p.FwStatus: "status"}

    def begin(self) -> None:
        self._size: int | None = None
        self._block = 0
        self._reported = 0

    def begun(self, heard: Heard) -> None:
        self._block, self._reported = heard.body.block_max, 0
        self._size = heard.asked.body.size if heard.asked and isinstance(heard.asked.body, p.FwBegin) else None

    def pull(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        if self._size is None:
            return
        end = body.offset + body.length
        m.judge("R-SEC-013", end <= self._size, f"at most {self._size} bytes", f"up to {end}")
        m.judge("R-SEC-017", body.length <= self._block, f"at most {self._block} bytes", f"{body.length}")
        if self._size >= 20 * self._block:  # else a single block is more than 5 %
            since = body.offset - self._reported
            often = since * 20 <= self._size + 20 * self._block
            m.judge("R-SEC-016", often, "FW_STATUS every 5 %", f"{since} bytes without")

    def status(self, heard: Heard) -> None:
        self._reported = heard.body.offset


WATCHES: tuple[type[Watch], ...] = (Management, Power, Realtime, Lens, Firmware)
