"""Both endpoints and the way between them, for very long, in weather that somebody rolls dice for.

    python -m opalink.fuzz.soak --packets 10000000
    python -m opalink.fuzz.soak --packets 1 --seed 7 --from 115

A run is a row of chapters. In each a storm of faults (bit errors, bursts, fades, outages of one direction or both,
contacts that open, brown-outs, removals, heat, conditions, resets) falls on a phone and a module that talk all the
time; then the weather is fair, and everything must be well again. A chapter's dice follow from the seed and its number;
what it begins with, from the chapters before it. Invariants: both sides come back into one session and
a still comes; every packet that arrives is one that was sent, once and in its channel's order; what was sent and did
not arrive was lost where losing is counted; what each side counts is what went past it; every frame that is taken for
whole is what the sensor made; the process does not grow.

Plan: what came of it · the weather · a chapter · the soak · the command.
"""

import resource
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any, Final

import click
from msgspec import Struct

from opalink.fuzz.books import Books, CountedModule, CountedPhone, SoakError
from opalink.protocol.channel import events
from opalink.protocol.channel.scenario import Scenario
from opalink.protocol.codec import Tlv
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone.frames import Frame
from opalink.protocol.packets import (
    Condition,
    ConditionOperation,
    CounterId,
    CountersGet,
    DescRead,
    FrameFlags,
    FrameResult,
    Keepalive,
    Lane,
    LaserSafety,
    OperationTag,
    ResetKind,
    ResetOperation,
    SensorMode,
    StateGet,
    TemperatureOperation,
)
from opalink.protocol.rehearsal import Grain
from opalink.spec.form import MS, SECOND, US, Role

GROWTH: Final = 16 << 20  # bytes by which the process may grow after the first tenth
_STORM: Final = 250 * MS
_FAIR: Final = 60 * MS
_PATIENCE: Final = 12 * SECOND
_TALK: Final = 250 * US  # from some requests of the phone's to the next
_BREATH: Final = 12  # of them at most: fewer than a side may hold open
_QUIET: Final = 20 * MS  # in which what was sent arrives
_SMALL: Final = 3  # the mode with the fewest pixels
_READY: Final = ("READY_BASIC", "READY_FULL")


# ── What came of it ──────────────────────────────────────────────────────────────────────────────────


class Soaked(Struct, frozen=True):
    """What a soak came to. `grown` is by how much the process became larger after the first tenth, in bytes; `lost` are
    packets that did not arrive, by lane; `deaf` those that arrived at a side whose lane was down."""

    packets: int
    chapters: int
    link_seconds: float
    seconds: float
    grown: int
    sessions: int
    resumes: int
    restarts: int
    frames: int
    flits_again: int
    lost: dict[str, int]
    deaf: int

    def __str__(self) -> str:
        lost = ", ".join(f"{n} on the {lane}" for lane, n in sorted(self.lost.items()))
        return (
            f"{self.packets} packets in {self.chapters} chapters, {self.link_seconds:.0f} s of link time, "
            f"{self.packets / self.seconds:.0f}/s; {self.sessions} sessions, {self.resumes} resumes, "
            f"{self.restarts} restarts, {self.frames} whole frames, {self.flits_again} FLITs again; "
            f"lost {lost or 'none'}, {self.deaf} unheard; grown by {self.grown >> 10} KiB"
        )


# ── The weather ──────────────────────────────────────────────────────────────────────────────────────


def _event(dice: Random, start: float) -> events.Event:
    """Something that befalls the way, within a storm that begins at a time in ms."""
    at, long = start + dice.uniform(0, _STORM / MS), dice.choice((0.05, 1, 8, 50, 200))
    span: dict[str, Any] = {"at_ms": at, "for_ms": dice.uniform(long / 2, long)}
    way: events.Directions = dice.choice(("both", "down", "up"))
    match dice.randrange(12):
        case 0:
            return events.Noise(**span, ber=10 ** dice.uniform(-5, -2.8), direction=way)
        case 1:
            return events.Bursts(**span, per_s=dice.uniform(10, 5000), length_ns=dice.uniform(1, 3000), direction=way)
        case 2:
            return events.Fade(**span, loss_db=dice.uniform(3, 20), direction=way, shape="pulse")
        case 3 | 4:
            return events.Outage(**span, direction=way)
        case 5:
            return events.Knock(**span, offset_mm=dice.uniform(0.2, 1.5), hertz=dice.uniform(40, 300))
        case 6:
            return events.Latency(**span, latency_us=dice.uniform(1, 300), direction=way)
        case 7:
            return events.BrownOut(**span, volts=dice.uniform(2, 5))
        case 8:
            return events.ContactsOpen(**span)
        case 9:
            return events.SidebandNoise(**span, ber=10 ** dice.uniform(-5, -2), direction=way)
        case 10:
            return events.Removal(**span)
    return events.Outage(at_ms=at, for_ms=dice.uniform(1500, 2600))


def _trouble(dice: Random, module: Module) -> tuple[Tlv, Tlv | None]:
    """Something that befalls the module, and what ends it."""
    match dice.randrange(4):
        case 0:
            return Tlv(OperationTag.RESET, ResetOperation(dice.choice((ResetKind.WARM, ResetKind.COLD)))), None
        case 1:
            sensor = dice.choice(module.identity.records["thermal"].sensors)
            hot = TemperatureOperation(sensor.sensor, sensor.limit + dice.choice((-60, -30, -10, 5)))
            return Tlv(OperationTag.TEMPERATURE, hot), Tlv(
                OperationTag.TEMPERATURE, TemperatureOperation(sensor.sensor, 250)
            )
    what = dice.choice((Condition.BUSY, Condition.MOTOR_BLOCKED, Condition.PWR_LIMIT, Condition.BLOCK_GONE))
    return (
        Tlv(OperationTag.CONDITION, ConditionOperation(what, 1)),
        Tlv(OperationTag.CONDITION, ConditionOperation(what, 0)),
    )


# ── A chapter ────────────────────────────────────────────────────────────────────────────────────────


class Soak:
    """A phone and a module that never part for good; `first` is the chapter to begin with."""

    def __init__(self, seed: int, profile: str = "four-thirds", first: int = 1) -> None:
        self.seed, self.dice = seed, Random(seed)
        self.phone, self.module, self.books = CountedPhone(), CountedModule(profile), Books()
        self.meeting = Meeting(self.phone, self.module, self.books, seed=seed)
        self.module.scene = self._view
        self.phone.on_frame = self._take
        self.chapters, self.frames, self.stills = first - 1, 0, 0
        self._grains: dict[int, Grain] = {}
        self._made = 0
        self._settled = dict.fromkeys(Lane, (0, 0))  # packets lost and accounted for when nothing was under way last
        self.meeting.put_on()

    def _view(self, mode: SensorMode, window: tuple[int, int, int, int], _: int, __: int, frame: int) -> Grain:
        self._made += 1
        grain = self._grains[frame] = Grain(self._made, window[2] * window[3] * mode.depth // 8)
        if len(self._grains) > 64:
            del self._grains[next(iter(self._grains))]
        return grain

    def _take(self, frame: Frame) -> None:
        self.phone.frames.stills.clear()
        whole = not frame.missing and frame.trailer is not None and frame.trailer.result is FrameResult.COMPLETE
        if not whole:
            return
        grain = self._grains.get(frame.leader.frame)
        if grain is None or not grain.same(frame.data):
            raise SoakError(f"frame {frame.leader.frame} was taken for whole and is not what the sensor made")
        self.frames += 1
        self.stills += bool(frame.leader.kind & FrameFlags.STILL)

    @property
    def packets(self) -> int:
        return self.books.sent.total()

    @property
    def _ready(self) -> bool:
        phone, module = self.phone, self.module
        states = {side.runs["ATTACH"].state for side in (phone, module)}
        same = phone.contact.session == module.session.number and states <= {*_READY}
        return same and phone.reader.complete and phone.supply.contract is not None

    def chapter(self) -> None:
        """A storm, and fair weather after it. Raises SoakError."""
        self.chapters += 1
        self.dice.seed(f"{self.seed} {self.chapters}")
        try:
            self._storm()
            self._fair()
            self._audit()
            self.phone.motion.restart()  # it keeps minutes of movement, within bounds
        except (SoakError, RuntimeError) as error:
            raise SoakError(f"Seed {self.seed}, chapter {self.chapters}: {error}") from error

    def _storm(self) -> None:
        dice, meeting, start = self.dice, self.meeting, self.meeting.now
        story = tuple(_event(dice, start / MS) for _ in range(dice.randrange(1, 7)))
        self.books.befall(Scenario("storm", seed=dice.getrandbits(62), event=story))
        turns: list[tuple[int, Tlv]] = []
        for _ in range(dice.choice((0, 0, 0, 1))):
            begins, ends = _trouble(dice, self.module)
            at = start + dice.randrange(_STORM)
            turns += [(at, begins), *([(at + dice.randrange(200 * MS), ends)] if ends else [])]
        over = max([start + _STORM, *(at for at, _ in turns), *(round((e.at_ms + e.for_ms) * MS) for e in story)])
        turns.sort(key=lambda turn: turn[0])
        self._wish()
        while meeting.now < over:
            self._say()
            upto = min(meeting.now + _TALK if self._ready else meeting.now + MS, over, *(at for at, _ in turns[:1]))
            meeting.run(max(upto, meeting.now))
            while turns and turns[0][0] <= meeting.now:
                self.module.operate(turns.pop(0)[1], meeting.now)

    def _wish(self) -> None:
        """What the user wants next."""
        user = self.phone.user
        match self.dice.randrange(5):
            case 0:
                user.open(_SMALL, width=64, height=self.dice.choice((8, 64)))
            case 1:
                user.close()
            case 2:
                user.open(_SMALL, width=1024, height=256)
                user.still()

    def _say(self) -> None:
        """Some requests, of kinds that change nothing; the answers come before the next ones."""
        dice = self.dice
        kinds: tuple[Any, ...] = (
            StateGet(),
            CountersGet(groups=dice.randrange(1, 8)),
            DescRead(offset=dice.randrange(0, 800), length=dice.randrange(1, 400)),
            Keepalive(),
            LaserSafety(),
        )
        if self._ready:
            for _ in range(dice.randrange(1, _BREATH)):
                self.phone.send(dice.choice(kinds))

    def _fair(self) -> None:
        """The weather is fair: everything must be well before long, and a still come."""
        meeting, user = self.meeting, self.phone.user
        self.books.befall(Scenario("fair", seed=self.dice.getrandbits(62)))
        self._until(lambda: self._ready, "the sides do not find together")
        meeting.run(meeting.now + _FAIR)
        self._until(lambda: self._ready, "the sides part again")
        if self.chapters % 8 == 0:
            before = self.stills
            user.close()
            meeting.run(meeting.now + _QUIET)
            user.open(_SMALL, width=64, height=64)
            user.still()
            self._until(lambda: self.stills > before, "no still comes")
            user.close()

    def _until(self, done: Callable[[], bool], what: str) -> None:
        if not self.meeting.run_until(done, self.meeting.now + _PATIENCE):
            states = ", ".join(f"{name} {run.state}" for name, run in self.phone.runs.items())
            theirs = ", ".join(f"{name} {run.state}" for name, run in self.module.runs.items())
            raise SoakError(f"{what}: the phone is in {states}; the module in {theirs}")

    def _audit(self) -> None:
        """What each side says that it sent, the other has received, or it was lost where that is counted."""
        meeting, books = self.meeting, self.books
        self.phone.user.close()
        meeting.run(meeting.now + _QUIET)
        books.closed(meeting.now - _QUIET)
        for side, role in ((self.phone, Role.PHONE), (self.module, Role.MODULE)):
            other = Role.MODULE if role is Role.PHONE else Role.PHONE
            self._same(f"the {role} says that it sent", side.totals[CounterId.PACKETS_SENT], books.sent[role])
            heard = side.totals[CounterId.PACKETS_RECEIVED] + side.totals[CounterId.BAD_CRC] + side.deaf
            self._same(f"the {role} says that it received", heard, books.arrived[other])
        gone = books.sent.total() - books.arrived.total() - books.under_way
        self._same("packets were lost", books.lost.total(), gone)
        for lane, most in books.excused.items():
            lost, excused = self._settled[lane]
            lost, excused = books.lost[lane] - lost, most - excused
            if lost > excused:
                raise SoakError(f"{lost} packets were lost on the {lane.name} lane; {excused} are accounted for")
        if not books.under_way:
            self._settled = {lane: (books.lost[lane], most) for lane, most in books.excused.items()}

    @staticmethod
    def _same(what: str, said: int, found: int) -> None:
        if said != found:
            raise SoakError(f"{what} {said}; it was {found}")


# ── The soak ─────────────────────────────────────────────────────────────────────────────────────────


def _resident() -> int:
    """The largest that this process has been, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def soak(packets: int, seed: int = 1, first: int = 1, tell: Callable[[Soaked], None] | None = None) -> Soaked:
    """Soak from a chapter on until so many packets were sent. `tell` hears every hundredth of it. Raises SoakError."""
    run, begun = Soak(seed, first=first), time.monotonic()
    early = done = 0
    while run.packets < packets:
        run.chapter()
        if run.packets * 100 // packets <= done:
            continue
        done = run.packets * 100 // packets
        if done >= 10:
            early = early or _resident()
        if early and _resident() - early > GROWTH:
            raise SoakError(f"Seed {seed}: the process has grown by {_resident() - early >> 20} MiB.")
        if tell is not None:
            tell(_soaked(run, first, begun, early))
    return _soaked(run, first, begun, early)


def _soaked(run: Soak, first: int, begun: float, early: int) -> Soaked:
    totals = run.phone.totals
    return Soaked(
        packets=run.packets,
        chapters=run.chapters - first + 1,
        link_seconds=run.meeting.now / SECOND,
        seconds=time.monotonic() - begun,
        grown=_resident() - early if early else 0,
        sessions=totals[CounterId.SESSIONS],
        resumes=totals[CounterId.RESUMES],
        restarts=run.module.totals[CounterId.RESTARTS],
        frames=run.frames,
        flits_again=sum(counts[CounterId.REPLAYS] for counts in run.books.counts.values()),
        lost={lane.name.lower(): n for lane, n in run.books.lost.items()},
        deaf=run.phone.deaf + run.module.deaf,
    )


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.option("--packets", type=click.IntRange(1), default=10_000_000, show_default=True, help="Sent by both together.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--from", "first", type=click.IntRange(1), default=1, show_default=True, help="Chapter to begin with.")
def main(packets: int, seed: int, first: int) -> None:
    """Have a phone and a module talk through storms, and say what came of it."""
    try:
        found = soak(packets, seed, first, lambda so_far: click.echo(str(so_far), err=True))
    except SoakError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo(str(found))


if __name__ == "__main__":
    main()
