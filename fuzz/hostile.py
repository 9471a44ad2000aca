"""A hostile peer, on either side of the bench: nothing but declared outcomes, no hang, no growth.

    python -m opalink.fuzz.hostile --records 1000000

Invariants. An endpoint fed with hostile records raises nothing, and after every batch a new binding is greeted and
answered as if nothing had happened. A tester fed with hostile records goes on or ends in BenchError; nothing else is
raised, and every call returns. In both cases the process stays as large as it was after the first tenth.

Plan: what is measured · against a module · against the tester · the command.
"""

import random
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator

import click
from msgspec import Struct

from opalink.fuzz.records import material, packets, records
from opalink.protocol import codec
from opalink.protocol.packets import (
    AttachOperation,
    Beacon,
    Bind,
    BindRole,
    ClockAnswer,
    ClockMode,
    ClockSet,
    ControlRequest,
    ControlResult,
    DeviceRole,
    Hello,
    Lane,
    OperationTag,
    Outcome,
    Plane,
    Record,
    RecordKind,
    StateGet,
    Tlv,
    encode_Record,
)
from opalink.protocol.transport.bench import Bench
from opalink.protocol.transport.channel import Channel
from opalink.protocol.transport.errors import BenchError
from opalink.protocol.transport.framing import NEVER, RecordReader
from opalink.protocol.transport.local import Inbox
from opalink.protocol.transport.session import Endpoint, Session

BATCH = 1000
_MS = 1_000_000


class Survived(Struct, frozen=True):
    """What an attack came to. `grown` is by how much the process became larger after the first tenth, in bytes."""

    records: int
    seconds: float
    grown: int
    endings: dict[str, int]

    def __str__(self) -> str:
        rate = self.records / self.seconds
        endings = ", ".join(f"{n} {name}" for name, n in sorted(self.endings.items()))
        return f"{self.records} records, {rate:.0f}/s, grown by {self.grown >> 10} KiB; {endings}"


def _resident() -> int:
    """The largest that this process has been, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _batches(count: int, run: Callable[[], str]) -> Survived:
    endings: Counter[str] = Counter()
    n, early = max(1, count // BATCH), 0
    begun = time.monotonic()
    with click.progressbar(range(n), hidden=not sys.stderr.isatty(), file=sys.stderr) as progress:
        for i in progress:
            endings[run()] += 1
            if i == n // 10:
                early = _resident()
    return Survived(n * BATCH, time.monotonic() - begun, _resident() - early, dict(endings))


# ── Against a module ─────────────────────────────────────────────────────────────────────────────────


def _clock(now: int) -> bytes:
    return encode_Record(Record(RecordKind.CLOCK, payload=codec.encode_layout("ClockSet", ClockSet(now))))


def _packet(lane: Lane, packet: codec.Packet) -> bytes:
    return encode_Record(Record(RecordKind.PACKET, lane, payload=codec.encode(packet)))


def _opening() -> bytes:
    """A fresh binding, an attached module that has greeted, a session, and a request whose answer proves life."""
    bind = Bind(planes=Plane.PACKET, clocks=ClockMode.VIRTUAL, seed=1, name=b"hostile")
    attach = ControlRequest(1, (Tlv(OperationTag.ATTACH, AttachOperation()),))
    beacon = Beacon(major=1, role=DeviceRole.PHONE)
    return b"".join(
        (
            encode_Record(Record(RecordKind.BIND, payload=codec.encode_layout("Bind", bind))),
            encode_Record(Record(RecordKind.CONTROL, payload=codec.encode_layout("ControlRequest", attach))),
            _clock(300 * _MS),
            _packet(Lane.SIDEBAND, codec.event(beacon)),
            _packet(Lane.SIDEBAND, codec.request(Hello(phone_nonce=1), 1)),
            _clock(310 * _MS),
            _packet(Lane.SIDEBAND, codec.request(StateGet(), 2)),
            _clock(320 * _MS),
        )
    )


def _answers(data: bytes) -> Iterator[codec.Packet]:
    """The packets among records; an endpoint of ours sends none that do not decode."""
    for record in RecordReader().feed(data):
        if record.kind == RecordKind.PACKET:
            yield codec.decode(record.payload)


def attack_module(make: Callable[[], Endpoint], count: int, seed: int = 1) -> Survived:
    """Feed hostile records to an endpoint, a thousand a binding.

    Raises whatever the endpoint raises, and RuntimeError when it no longer answers a new binding."""
    dice, now = random.Random(seed), 320 * _MS
    inbox = Inbox()
    session = Session(make(), inbox)
    source = records(dice, material(), lambda: now)

    def batch() -> str:
        nonlocal now
        session.feed(_opening())
        if not any(p.type == codec.PacketType.STATE_GET and p.rsp for p in _answers(inbox.take())):
            raise RuntimeError(f"After {seed=} the endpoint no longer answers STATE_GET.")
        now = 320 * _MS
        for _ in range(BATCH):
            session.feed(next(source))
            now += 10_000
        sent = sum(1 for _ in _answers(inbox.take()))
        return "batches answered" if sent else "batches in silence"

    return _batches(count, batch)


# ── Against the tester ───────────────────────────────────────────────────────────────────────────────


class HostileChannel(Channel):
    """An implementation that keeps to the binding just long enough to be listened to."""

    def __init__(self, dice: random.Random, source: Iterator[bytes], noise: Iterator[bytes]) -> None:
        self.sent = 0
        self._dice, self._source, self._noise = dice, source, noise
        self._reader = RecordReader()
        self._queue: deque[bytes] = deque()

    def send(self, data: bytes) -> None:
        for record in self._reader.feed(data):
            if record.kind == RecordKind.BIND:
                offer = Bind(role=BindRole.MODULE, planes=Plane.PACKET, clocks=ClockMode.VIRTUAL, operations=NEVER)
                self._answer(RecordKind.BIND, "Bind", offer)
            elif record.kind == RecordKind.CLOCK:
                now: int = codec.decode_layout("ClockSet", bytes(record.payload)).now
                self._hostility(now)
                later = self._dice.choice((NEVER, NEVER, now + 1, now + _MS, now))
                self._answer(RecordKind.CLOCK, "ClockAnswer", ClockAnswer(now, later))
            elif record.kind == RecordKind.CONTROL:
                seq: int = codec.decode_layout("ControlRequest", bytes(record.payload)).seq
                result = self._dice.choice((Outcome.DONE, Outcome.FAILED, 77))
                self._answer(RecordKind.CONTROL, "ControlResult", ControlResult(seq, result))

    def _answer(self, kind: RecordKind, name: str, value: object) -> None:
        payload = codec.encode_layout(name, value)
        if self._dice.random() < 0.003:
            payload = payload[: self._dice.randrange(len(payload))]
        self._queue.append(encode_Record(Record(kind, payload=payload)))

    def _hostility(self, now: int) -> None:
        """Packets that travel as they may, and now and then a record that may not."""
        for _ in range(self._dice.randrange(40)):
            if self._dice.random() < 0.999:
                lane = self._dice.choice((Lane.SIDEBAND, Lane.LASER))
                made = encode_Record(Record(RecordKind.PACKET, lane, timed=1, time=now, payload=next(self._source)))
            else:
                made = next(self._noise)
            self._queue.append(made)
            self.sent += 1

    def receive(self, timeout: float | None) -> bytes | None:
        del timeout  # there is nobody to wait for
        if not self._queue:
            return None
        data = b"".join(self._queue)
        self._queue.clear()
        if self._dice.random() < 0.1:  # in two pieces
            cut = self._dice.randrange(len(data))
            self._queue.append(data[cut:])
            return data[:cut] or None
        return data

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        self._queue.clear()

    def evidence(self) -> str:
        return ""


def attack_tester(count: int, seed: int = 1, judge: Callable[[Bench], None] | None = None) -> Survived:
    """Have a tester drive a hostile implementation; `judge` looks at what has arrived, as a campaign would.

    Raises whatever is raised beside BenchError."""
    dice, seeds = random.Random(seed), material()
    source, noise = packets(dice, seeds), records(dice, seeds, lambda: 0)

    def batch() -> str:
        channel = HostileChannel(dice, source, noise)
        ending = "batches to the end"
        while channel.sent < BATCH:
            try:
                with Bench(channel, clock="virtual", patience=1.0, seed=seed) as bench:
                    while channel.sent < BATCH:
                        _drive(bench, judge)
            except BenchError as error:
                ending = f"batches with {type(error).__name__}"
        return ending

    return _batches(count, batch)


def _drive(bench: Bench, judge: Callable[[Bench], None] | None) -> None:
    bench.control(OperationTag.ATTACH, AttachOperation())
    bench.send(codec.encode(codec.request(StateGet(), 7)), Lane.LASER)
    bench.expect(lambda arrival: arrival.data[6:8] == b"\x07\x00", bench.now + 50 * _MS)
    if judge:
        judge(bench)
    bench.arrivals.clear()


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.option("--records", "count", default=1_000_000, show_default=True, help="Hostile records to each side.")
@click.option("--seed", default=1, show_default=True)
@click.option("--profile", default="four-thirds", show_default=True)
def main(count: int, seed: int, profile: str) -> None:
    """Send hostile records into a module and into the tester, and say what came of it."""
    from opalink.protocol.engine.module import Module

    click.echo(f"module {profile}: {attack_module(lambda: Module(profile), count, seed)}")
    click.echo(f"tester: {attack_tester(count, seed)}")


if __name__ == "__main__":
    main()
