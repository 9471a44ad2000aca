"""Counterexamples: what an exploration found, as a recording that is performed again.

    counterexamples/MACHINE-DIGEST.pcapng

The file is a recording like any other: the packets of both sides with their times, and comments. In the comments of the
file stand the requirement, what was expected and what was seen, and the seed of the binding; at the packet that
followed, each operation of the upper tester, with the bytes of its value. So it opens in Wireshark, and holds nothing
that a reader would have to run.

Performed again, the tester's packets go out as they are, no sooner than they did and no sooner than what had been
answered before them is answered again. A request of the implementation's gets the answer that it got then, if it is
the same request, else what the tester's phone says by itself. The judge is that of the exploration.

Plan: the counterexample · writing · reading · performing.
"""

import contextlib
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from opalink.conformance.bundle import recording
from opalink.conformance.bundle.recording import SENDERS
from opalink.conformance.bundle.report import lane_name, printable
from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.exploration.judge import Finding
from opalink.conformance.exploration.session import Meeting, Watched, operation_of
from opalink.conformance.tester.ledger import Heard
from opalink.protocol import codec
from opalink.protocol.capture.pcapng import LINKTYPE_PACKET, CaptureError, Reader
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, PacketType
from opalink.spec.form import MS, SECOND

# ── The counterexample ───────────────────────────────────────────────────────────────────────────────

LONGEST: Final = 3600 * SECOND  # of an exchange that is performed
MOST: Final = 1 << 18  # packets of it
_KIND: Final = "Counterexample 1"
_THEN: Final = "then, "  # begins an operation after the last packet
_LATE: Final = 300 * MS  # that an event may come later in real time than it was recorded
_HEADER, _CRC = 16, 4  # bytes
_LANES: Final = (Lane.SIDEBAND, Lane.LASER)


class NotACounterexample(ValueError):  # noqa: N818  an observation about a file
    """A file that is none. It says why, in one sentence."""


class Counterexample(Struct, frozen=True):
    """An exchange that breaks a requirement. `rows` are the packets of both sides and the operations, `end` is when it
    was over, in nanoseconds from the binding; `virtual` says by whose clock."""

    machine: str
    seed: int
    requirement: str
    expected: str
    actual: str
    iut: str = ""
    virtual: bool = True
    rows: tuple[Step, ...] = ()
    end: int = 0

    @property
    def sentence(self) -> str:
        return str(Finding(self.requirement, "", self.expected, self.actual))

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits for what the tester does in it, and what it breaks."""
        made = hashlib.sha256(f"{self.machine} {self.seed} {self.requirement}".encode())
        for step in self.rows:
            if step.actor is not Actor.IUT:
                made.update(f"{step.time} {step.lane} {step.note} {step.data.hex()}\n".encode())
        return made.hexdigest()[:12]


def recorded(steps: Iterable[Step]) -> tuple[Step, ...]:
    """What of the steps of a session has to be performed, or waited for."""
    return tuple(
        structs.replace(s, note="" if s.data else s.note)
        for s in steps
        if (s.actor in SENDERS and s.data) or (s.actor is Actor.BENCH and operation_of(s.note))
    )


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────


def write(found: Counterexample, folder: Path) -> Path:
    """Leave a counterexample in a folder; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.machine}-{found.digest}.pcapng"
    steps = [s for s in found.rows if not s.data or s.lane in _LANES]
    with path.open("wb") as stream:
        recording.write(stream, steps, _about(found, path.name), then=_THEN)
    return path


def _about(found: Counterexample, name: str) -> list[str]:
    known = catalogue().requirement.get(found.requirement)
    lines = (
        f"{found.requirement}: {known.text if known else 'a rule of the binding'}",
        f"{_KIND}: machine {found.machine}",
        f"Requirement: {found.requirement}",
        f"Expected: {found.expected}",
        f"Actual: {found.actual}",
        f"Seed: {found.seed}",
        f"Clock: {'virtual' if found.virtual else 'real'}",
        f"End: {found.end}",
        f"Implementation: {found.iut}",
        f"Again: opalink replay {name} {found.iut}",
    )
    return [printable(x) for x in lines]


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────

_OPERATION: Final = re.compile(rf"({_THEN})?(\d{{1,20}}) ns, bench: (operation [ -~]*)")


def read(path: Path) -> Counterexample:
    """The counterexample of a file. Raises NotACounterexample, and OSError where there is no file to be read."""
    with path.open("rb") as stream:
        reader = Reader(stream)
        try:
            rows = tuple(_rows(reader))
        except (CaptureError, ValueError) as error:
            raise NotACounterexample(f"{path} is no counterexample: {error}") from None
        said = dict(c.split(": ", 1) for c in reader.comments if ": " in c)
        if reader.damages:
            raise NotACounterexample(f"{path} is damaged: {reader.damage[0]}.")
    try:
        if not said[_KIND].startswith("machine "):
            raise KeyError(_KIND)
        found = Counterexample(
            said[_KIND].removeprefix("machine "), int(said["Seed"]), said["Requirement"], said["Expected"],
            said["Actual"], said["Implementation"], said["Clock"] == "virtual",
            (*_operations(reader.comments)[0], *rows), int(said["End"]),
        )  # fmt: skip
    except KeyError as missing:
        raise NotACounterexample(f"{path} is no counterexample: its comments say no {missing.args[0]!r}.") from None
    except ValueError as error:
        raise NotACounterexample(f"{path} is no counterexample: {error}.") from None
    times = [0, *(s.time for s in found.rows), found.end]
    if times != sorted(times) or found.end > LONGEST or not 0 <= found.seed < 1 << 64:
        raise NotACounterexample(f"{path} cannot be performed: its times are out of order, or too long.")
    return found


def _rows(reader: Reader) -> Iterator[Step]:
    """The packets with the operations around them."""
    for n, packet in enumerate(reader):
        if n == MOST:
            raise ValueError(f"it has more than {MOST} packets")
        before, after = _operations(packet.comments)
        lane = next((x for x in _LANES if packet.interface.name.startswith(lane_name(x))), None)
        if lane is None or packet.interface.link_type != LINKTYPE_PACKET or packet.cut:
            raise ValueError(f"packet {n + 1} is no whole packet of a lane")
        if len(packet.data) < _HEADER + _CRC:
            raise ValueError(f"packet {n + 1} is too short for one")
        yield from before
        yield Step(packet.time, Actor.IUT if packet.interface.inbound else Actor.TESTER, lane, packet.data)
        yield from after


def _operations(comments: Iterable[str]) -> tuple[list[Step], list[Step]]:
    """The operations that comments tell of, before a packet and after the last one. Raises ValueError."""
    found: tuple[list[Step], list[Step]] = [], []
    for comment in comments:
        if (told := _OPERATION.fullmatch(comment)) is not None:
            then, at, note = told.groups()
            if operation_of(note) is None:
                raise ValueError(f"no operation is {note[:80]!r}")
            found[bool(then)].append(Step(int(at), Actor.BENCH, note=note))
    return found


# ── Performing ───────────────────────────────────────────────────────────────────────────────────────


def perform(meeting: Meeting, found: Counterexample) -> list[Finding]:
    """Do again what the tester did, from a cold start, and say what that shows. Raises Conclusive where it cannot be
    done to its end, and what a bench may raise when there is nobody left to do it to."""
    with meeting.judged():
        meeting.session.begin(found.seed)
        _Performance(meeting.session, found).run()
    return meeting.session.judge.findings


class _Request(Struct):
    """A request of the implementation's as it was recorded, and what answered it after how long, if anything did."""

    data: bytes
    time: int
    reply: bytes = b""
    lane: int = 0
    after: int = 0


class _Performance:
    """One exchange, done again."""

    def __init__(self, session: Watched, found: Counterexample) -> None:
        self._s, self._found = session, found
        self._heard: Counter[tuple[int, int, int]] = Counter()  # by type, whether it is a response, transaction
        self._met: Counter[int] = Counter()  # requests, by type
        self._due: list[tuple[int, bytes, int]] = []  # replies that go out later, with their lane
        self._missed: set[tuple[int, int, int]] = set()
        self._requests, self._replies = _paired(found.rows)
        self._phone = session.reacts
        session.reacts = self._reacts

    def run(self) -> None:
        s, awaited = self._s, Counter[tuple[int, int, int]]()
        for at, step in enumerate(self._found.rows):
            if step.actor is Actor.IUT:
                key = _key(step.data)
                awaited[key] += 1
                self._await(key, awaited[key], step.time)
            elif at not in self._replies:
                self._until(step.time)
                operation = operation_of(step.note)
                if operation is not None:
                    s.attempt(*operation)
                else:
                    self._offered(step.data)
                    s.settle()
                    s.put(step.data, step.lane)
        self._until(self._found.end)
        s.let(0)
        s.judge.end(s.now)

    # ── What is waited for ──

    def _until(self, time: int) -> None:
        """Let time pass, up to a time, and answer what is due by then."""
        s = self._s
        while self._due and min(self._due)[0] <= time:
            due = min(self._due)
            self._due.remove(due)
            s.let(max(0, due[0] - s.now))
            s.put(*due[1:])
        if time > s.now:  # what went out at one moment goes out together
            s.let(time - s.now)
        s.inbox.clear()

    def _await(self, key: tuple[int, int, int], times: int, time: int) -> None:
        """What had come by now comes again: a response in any case, something else by then, in real time a while
        later."""
        s = self._s
        response = bool(key[1])
        if self._heard[key] >= times or key in self._missed:
            return
        if s.exact and not response:
            s.let(max(0, time - s.now))
            return
        late = (s.catalogue.timer["tResponse"].max or 0) + s.monitor.slack + MS if response else _LATE
        deadline = max(s.now, time) + late
        while self._heard[key] < times and s.take(lambda h: _key(h.data) == key, deadline - s.now) is not None:
            pass
        if self._heard[key] < times:
            self._missed.add(key)

    # ── What the phone does ──

    def _reacts(self, heard: Heard) -> None:
        """What the phone did then, if it is asked the same; else what it does by itself."""
        packet = heard.packet
        if packet is None:
            return
        self._heard[_key(heard.data)] += 1
        if packet.rsp or not packet.txn:
            return
        known = self._requests.get(packet.type, [])
        met = self._met[packet.type]
        self._met[packet.type] += 1
        if met >= len(known) or _payload(known[met].data) != _payload(heard.data):
            self._phone(heard)
        elif (then := known[met]).reply:
            reply = then.reply
            if reply[6:8] != heard.data[6:8]:
                reply = codec.encode(structs.replace(codec.decode(reply), txn=packet.txn))
            if then.after:
                self._due.append((heard.time + then.after, reply, then.lane))
            else:
                self._s.put(reply, then.lane)

    def _offered(self, data: bytes) -> None:
        """The phone that answers by itself knows what was offered."""
        if data[1:2] == bytes([PacketType.PWR_SOURCE_CAPS]):
            with contextlib.suppress(codec.DecodeError):
                self._s.phone.offers = codec.decode(data).body.offers


def _key(data: bytes) -> tuple[int, int, int]:
    """What packets have in common that stand for one another: type and, in a response, transaction."""
    response = data[0] >> 3 & 1
    return data[1], response, int.from_bytes(data[6:8], "little") if response else bool(any(data[6:8]))


def _payload(data: bytes) -> bytes:
    return data[_HEADER:-_CRC]


def _paired(rows: tuple[Step, ...]) -> tuple[dict[int, list[_Request]], set[int]]:
    """The requests of the implementation, by type, with what answered them, and the places of these answers."""
    requests: dict[int, list[_Request]] = defaultdict(list)
    open_: dict[tuple[int, int], _Request] = {}
    replies = set[int]()
    for at, step in enumerate(rows):
        if not step.data:
            continue
        code, response, txn = step.data[1], step.data[0] >> 3 & 1, int.from_bytes(step.data[6:8], "little")
        if step.actor is Actor.IUT and txn and not response:
            open_[code, txn] = _Request(step.data, step.time)
            requests[code].append(open_[code, txn])
        elif step.actor is Actor.TESTER and response and (asked := open_.pop((code, txn), None)) is not None:
            asked.reply, asked.lane, asked.after = step.data, step.lane, step.time - asked.time
            replies.add(at)
    return requests, replies
