"""A scenario rehearsed: a phone and a module of ours live through it, and what came of it is held against the file.

    for outcome in rehearse(load("knock")):
        assert not outcome.broken

Time is told, so that a rehearsal with a seed is the same on every machine. Every frame that the phone takes for whole
is compared, byte by byte, with what the module's sensor made; in the end a still must come, whatever had happened.

Plan: what a sensor makes · what came of it · the rehearsal · the course of things · all of a scenario.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from fastcrc import crc32
from msgspec import Struct, structs

from opalink.protocol.channel.events import Act, Ailment, Heat, NewDescriptor, StaleNonce
from opalink.protocol.channel.scenario import Scenario, ScenarioError
from opalink.protocol.codec import Tlv, decode
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.firmware import COMPONENT, make_image
from opalink.protocol.engine.module.focus import Focus
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.firmware import Firmware, Image
from opalink.protocol.engine.phone.frames import Frame
from opalink.protocol.engine.phone.lens import Lens
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    ActivationTime,
    BlockFlags,
    Condition,
    ConditionOperation,
    CounterId,
    FrameFlags,
    FrameResult,
    Lane,
    OperationTag,
    PacketType,
    PropertyTag,
    PropSet,
    SensorMode,
    StreamOp,
    TemperatureOperation,
    ThermalPart,
)
from opalink.spec.form import MS, SECOND, Role
from opalink.spec.limits import FLIT_BYTES

PATIENCE: Final = 8 * SECOND  # after the last event, until all is well
_LOOK: Final = 1 * MS
_SLOT: Final = 64  # FLITs
_ROOM: Final = 250  # 0.1 degC
_KEPT: Final = 64  # frames that are remembered until they have come
_READY: Final = ("READY_BASIC", "READY_FULL")
_BLOCK: Final = int(PacketType.FRAME_BLOCK)
_SMALL: Final = 3  # the mode with the fewest pixels, which every reference camera has

# ── What a sensor makes ──────────────────────────────────────────────────────────────────────────────

_NOISE: Final = Random(0).randbytes(1_048_573)  # of prime length: no two blocks of a frame are alike
_STEP: Final = 104_729  # from one frame's beginning in it to the next one's


class Grain:
    """The data of a frame that is like no other, nor is any part of it like another part."""

    def __init__(self, count: int, size: int) -> None:
        self.bytes, self._from = size, count * _STEP

    def read(self, at: int, length: int) -> bytes:
        length = min(length, self.bytes - at)
        start = (self._from + at) % len(_NOISE)
        data = _NOISE[start : start + length]
        while len(data) < length:
            data += _NOISE[: length - len(data)]
        return data

    def same(self, data: memoryview) -> bool:
        """Whether this is what has arrived."""
        part = len(_NOISE)
        return len(data) == self.bytes and all(
            bytes(data[at : at + part]) == self.read(at, part) for at in range(0, self.bytes, part)
        )


# ── What came of it ──────────────────────────────────────────────────────────────────────────────────


class Outcome(Struct, frozen=True, kw_only=True):
    """Of one rehearsal. Times are in ms of link time, sizes in KiB. `wrong` are frames that the phone took for whole
    and that are not what the sensor made; `broken` says, a sentence each, what was expected and did not come."""

    scenario: str
    shift_ms: float
    frames: int
    lost: int
    wrong: int
    recovery_ms: float
    resent_kib: float
    replayed_flits: int
    blocks_again: int
    sessions: int
    resumes: int
    state: str
    ended_ms: float
    broken: tuple[str, ...]


# ── The rehearsal ────────────────────────────────────────────────────────────────────────────────────


class Rehearsal:
    """One phone, one module, and one scenario with its events so much later."""

    def __init__(self, name: str, scenario: Scenario, shift_ms: float = 0.0) -> None:
        events = tuple(structs.replace(event, at_ms=event.at_ms + shift_ms) for event in scenario.event)
        self.scenario = structs.replace(scenario, event=events)
        self.name, self.shift = name, shift_ms
        self.task = scenario.phone
        if self.task.profile not in catalogue().profile:
            known = ", ".join(catalogue().profile)
            raise ScenarioError(f"{name}: phone.profile is {self.task.profile!r}; it must be one of {known}")
        self.module, self.phone = Module(self.task.profile), Phone()
        self.gateway = Gateway(self.scenario, slot=_SLOT)
        self.meeting = Meeting(self.phone, self.module, self.gateway, seed=scenario.seed + 1)
        self.meeting.taps.append(self._see)
        self.module.scene = self._view
        self.phone.on_frame = self._take
        self.made = self.whole = self.wrong = self.stills = 0
        self.resent = self.blocks = 0  # bytes and blocks that were asked for again
        self._grains: dict[int, Grain] = {}
        self._ends: list[int] = []  # of events, until all was well after them
        self._came = 0  # whole frames when the last event ended
        self._frames = self._left = 0  # whole frames until the camera closed, and those that were lost
        self._recovery = 0
        self._asked_in = 0  # session in which the task was asked for
        self._version = self.module.image[0] + 1

    # ── Frames ──

    def _view(self, mode: SensorMode, window: tuple[int, int, int, int], _: int, __: int, frame: int) -> Grain:
        self.made += 1
        grain = self._grains[frame] = Grain(self.made, window[2] * window[3] * mode.depth // 8)
        if len(self._grains) > _KEPT:
            del self._grains[next(iter(self._grains))]
        return grain

    def _take(self, frame: Frame) -> None:
        trailer = frame.trailer
        if frame.missing or trailer is None or trailer.result is not FrameResult.COMPLETE:
            return
        if crc32.iscsi(frame.data) != trailer.frame_crc:
            return
        grain = self._grains.get(frame.leader.frame)
        self.whole += 1
        self.stills += bool(frame.leader.kind & FrameFlags.STILL)
        self.wrong += grain is None or not grain.same(frame.data)
        self.phone.frames.stills.clear()

    def _see(self, _: int, side: Role, lane: Lane, data: bytes) -> None:
        if data[1] == _BLOCK and side is Role.MODULE and lane is Lane.LASER:
            block = decode(data).body
            if block.flags & BlockFlags.RESENT:
                self.blocks += 1
                self.resent += len(block.data)

    # ── The task ──

    @property
    def _ready(self) -> bool:
        """Whether both sides are in the same session, and the phone knows the module as it is."""
        phone, module = self.phone, self.module
        if phone.reader.records.get("identity") != module.identity.record("identity"):
            return False
        together = phone.contact.session == module.session.number
        states = {side.runs["ATTACH"].state for side in (phone, module)}
        return together and states <= {*_READY} and phone.reader.complete

    def _ask(self) -> None:
        """Ask for what is to be done, once in every session until it is."""
        phone, task, session = self.phone, self.task, self.phone.contact.session
        if not self._ready or session == self._asked_in or self._done:
            return
        self._asked_in = session
        if task.rate and task.does in ("still", "burst", "video"):
            phone.send(PropSet(settings=(Tlv(PropertyTag.FRAME_RATE, task.rate * 1000),)))
        match task.does:
            case "still" | "burst":
                if not phone.user.opened:
                    phone.user.open(task.mode)
                for _ in range(self._stills - self.stills - phone.user.wanted):
                    phone.user.still()
            case "video":
                phone.user.open(task.mode, **self._window())
            case "focus":
                low, high = self._focus_range()
                phone.part(Lens).move(target=high if self._position < (low + high) / 2 else low)
            case "update":
                image = Image(COMPONENT, self._version, make_image(self._version, bytes(task.kib << 10)))
                phone.part(Firmware).update(image, ActivationTime.NOW)

    @property
    def _stills(self) -> int:
        return self.task.frames if self.task.does == "burst" else 1

    def _window(self) -> dict[str, int]:
        task, mode = self.task, self.phone.reader.mode(self.task.mode)
        if mode is None or not task.width:
            return {}
        x, y = (mode.width - task.width) // 2, (mode.height - task.height) // 2
        return {"x": x & ~1, "y": y & ~1, "width": task.width, "height": task.height}

    def _focus_range(self) -> tuple[int, int]:
        optics = self.phone.reader.records["optics"]
        return optics.focus_far, optics.focus_near

    @property
    def _position(self) -> int:
        return self.module.part(Focus).position

    @property
    def _done(self) -> bool:
        match self.task.does:
            case "still" | "burst":
                return self.stills >= self._stills
            case "video":
                return self.meeting.now >= round((self.task.at_ms + self.task.for_ms) * MS)
            case "focus":
                return self.phone.part(Lens).reached is not None
            case "update":
                return self.module.image[0] == self._version
        return self.phone.reader.complete

    # ── The course of things ──

    def run(self) -> Outcome:
        """Live through it."""
        broken: list[str] = []
        turns = self._turns()
        over = turns[-1][0] if turns else 0
        self.meeting.put_on()
        until = max(over, round(self.scenario.duration_ms * MS)) + PATIENCE
        while self.meeting.now < over or turns or not (self._done and self._well()):
            if self.meeting.now >= until:
                broken.append(f"after {until // MS} ms {self._stuck()}")
                break
            upto = min(self.meeting.now + _LOOK, turns[0][0] if turns else until)
            self.meeting.run(max(upto, self.meeting.now))
            while turns and turns[0][0] <= self.meeting.now:
                _, _, act, begins = turns.pop(0)
                self._turn(act, begins)
            if self.meeting.now >= self.task.at_ms * MS:
                self._ask()
            self._well()
        states = sorted({side.runs["ATTACH"].state for side in (self.phone, self.module)})
        ended = self.meeting.now
        self._close()
        if not self._alive():
            broken.append(f"no still could be taken afterwards: {self._stuck()}")
        return self._outcome(" and ".join(states), ended, broken)

    def _turns(self) -> list[tuple[int, int, Act | None, bool]]:
        """When something befalls a side, or ends; and when anything ends."""
        found: list[tuple[int, int, Act | None, bool]] = []
        for event in self.scenario.event:
            act = event if isinstance(event, Act) else None
            for n in range(event.times):
                begin = round((event.at_ms + n * event.every_ms) * MS)
                end = begin + max(1, round(event.for_ms * MS))
                if act is not None:
                    found.append((begin, len(found), act, True))
                found.append((end, len(found), act, False))
        return sorted(found, key=lambda turn: turn[:2])

    def _turn(self, act: Act | None, begins: bool) -> None:
        """An event of a side's begins or ends; of any other the end is noted."""
        if not begins:
            self._ends.append(self.meeting.now)
            self._came = self.whole
        match act:
            case Heat(part=part, celsius=celsius):
                sensors = self.module.identity.records["thermal"].sensors
                for sensor in (s.sensor for s in sensors if s.part is ThermalPart[part]):
                    reading = round(celsius * 10) if begins else _ROOM
                    self._operate(OperationTag.TEMPERATURE, TemperatureOperation(sensor, reading))
            case Ailment(status=status):
                self._operate(OperationTag.CONDITION, ConditionOperation(Condition[status], int(begins)))
            case StaleNonce() if begins:
                self.phone.contact.spoil_nonces()
            case NewDescriptor() if begins:
                self.module.firmware_changed(self.module.identity.records["identity"].firmware + 1)

    def _operate(self, tag: OperationTag, value: object) -> None:
        self.module.operate(Tlv(tag, value), self.meeting.now)

    def _well(self) -> bool:
        """Whether all is as if nothing had happened: both sides in their session and, with the camera open, a whole
        frame since. The longest time that this took from an event's end is kept, where no other ended meanwhile."""
        filming = self.task.does == "video" and not self._done
        well = self._settled and not (filming and self._ends and self.whole == self._came)
        if well and self._ends:
            self._recovery = max(self._recovery, self.meeting.now - self._ends[-1])
            self._ends.clear()
        return well

    @property
    def _settled(self) -> bool:
        """Whether both sides are where they are to end, or on their way no more."""
        states = {side.runs["ATTACH"].state for side in (self.phone, self.module)}
        wanted = self.scenario.expect.state
        return self._ready if wanted in _READY else states == {wanted}

    def _stuck(self) -> str:
        said = f": {self.phone.complaints[-1]}" if self.phone.complaints else ""
        states = ", ".join(f"{name} {run.state}" for name, run in self.phone.runs.items())
        theirs = self.module.runs["ATTACH"].state
        return f"the phone is in {states}, the module in {theirs}, {self.task.does} {self._done or 'not done'}{said}"

    # ── The end ──

    def _close(self) -> None:
        """Close the camera once what has begun is sent."""
        phone = self.phone
        phone.user.opened = False
        phone.capture.control(StreamOp.STOP)
        self.meeting.run_until(lambda: self.made <= self.whole, self.meeting.now + SECOND)
        self._frames, self._left = self.whole, self.made - self.whole
        phone.user.close()

    def _alive(self) -> bool:
        """Whether a still comes, now that nothing happens any more; that both sides know each other, without sensor."""
        phone, before = self.phone, self.stills
        if self.scenario.expect.state not in _READY:
            self.meeting.take_off()
            self.meeting.run(self.meeting.now + SECOND)
            self.meeting.put_on()
        if not self.meeting.run_until(lambda: self._ready, self.meeting.now + PATIENCE):
            return False
        if not self.module.has("SENSOR"):
            return True
        self.meeting.run(self.meeting.now + SECOND // 5)  # what is closed has been given up
        phone.user.open(_SMALL)
        phone.user.still()
        return self.meeting.run_until(lambda: self.stills > before, self.meeting.now + PATIENCE)

    def _outcome(self, state: str, ended: int, broken: list[str]) -> Outcome:
        expect, counters = self.scenario.expect, self.phone.counters
        again = sum(counts[CounterId.REPLAYS] for counts in self.gateway.counts.values())
        outcome = Outcome(
            scenario=self.name, shift_ms=self.shift, frames=self._frames, lost=self._left, wrong=self.wrong,
            recovery_ms=round(self._recovery / MS, 3), replayed_flits=again, blocks_again=self.blocks,
            resent_kib=round((again * FLIT_BYTES + self.resent) / 1024, 1),
            sessions=counters.count(CounterId.SESSIONS), resumes=counters.count(CounterId.RESUMES),
            state=state, ended_ms=round(ended / MS, 3), broken=(),
        )  # fmt: skip
        if outcome.wrong:
            broken.append(f"{outcome.wrong} frames were taken for whole that are not what the sensor made")
        if outcome.frames < expect.frames:
            broken.append(f"{outcome.frames} frames came whole; at least {expect.frames} were expected")
        for name in ("lost", "recovery_ms", "resent_kib", "sessions"):
            measured, most = getattr(outcome, name), getattr(expect, name)
            if measured > most:
                broken.append(f"{name} is {measured:g}; at most {most:g} was expected")
        if state != expect.state:
            broken.append(f"it ended in {state}; {expect.state} was expected")
        return structs.replace(outcome, broken=tuple(broken))


# ── All of a scenario ────────────────────────────────────────────────────────────────────────────────


def rehearse(scenario: Scenario, name: str = "scenario") -> Iterator[Outcome]:
    """Rehearse a scenario, once for each of its shifts. Raises ScenarioError for a profile that there is not."""
    for shift in scenario.shifts_ms or (0.0,):
        yield Rehearsal(name, scenario, shift).run()
