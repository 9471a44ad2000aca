"""The tester's side, against a puppet over every carrier.

Plan: carriers · exchanges · virtual time · real time · much at once.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from opalink.protocol.packets.codec import Record
from opalink.protocol.packets.enums import Lane, OperationTag, Outcome, RecordKind
from opalink.protocol.packets.tlvs import AttachOperation, LaneDownOperation, LaneUpOperation
from opalink.protocol.transport import Bench, BindingError, Channel, IutUri
from opalink.protocol.transport.framing import NEVER
from opalink.protocol.transport.local import LocalChannel
from tests.transport_puppet import COMMAND, Puppet, anything, nothing

MS = 1_000_000
S = 1_000_000_000

# ── Carriers ─────────────────────────────────────────────────────────────────────────────────────────

Connect = Callable[[], Channel]
Opener = Callable[..., Bench]


class Crumbs(Channel):
    """A channel that takes and gives bytes one by one."""

    def __init__(self, whole: Channel) -> None:
        self._whole, self._left = whole, iter(b"")

    def send(self, data: bytes) -> None:
        for i in range(len(data)):
            self._whole.send(data[i : i + 1])

    def receive(self, timeout: float | None) -> bytes | None:
        for byte in self._left:
            return bytes([byte])
        data = self._whole.receive(timeout)
        if data:
            self._left = iter(data[1:])
        return data and data[:1]

    def alive(self) -> bool:
        return self._whole.alive()

    def close(self) -> None:
        self._whole.close()

    def evidence(self) -> str:
        return self._whole.evidence()


@pytest.fixture(scope="module", params=["local", "crumbs", "stdio", "tcp", "unix"])
def carrier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """Opens a channel to a puppet."""
    match request.param:
        case "local":
            yield lambda: LocalChannel(Puppet)
        case "crumbs":
            yield lambda: Crumbs(LocalChannel(Puppet))
        case "stdio":
            yield IutUri.parse(f"stdio:{COMMAND} stdio:").open
        case kind:
            uri = "tcp::0" if kind == "tcp" else f"unix:{tmp_path_factory.mktemp('s')}/s"
            with subprocess.Popen([*COMMAND.split(), uri], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
                assert server.stdout is not None
                yield IutUri.parse(server.stdout.readline().decode().strip()).open
                server.kill()


@pytest.fixture
def opened(carrier: Connect) -> Iterator[Opener]:
    with ExitStack() as stack:

        def attached(**choices: Any) -> Bench:
            bench = stack.enter_context(Bench(stack.enter_context(carrier()), **choices))
            bench.control(OperationTag.ATTACH, AttachOperation())
            return bench

        yield attached


@pytest.fixture
def puppet() -> Iterator[Bench]:
    """A bench on a puppet in this process."""
    with Bench(LocalChannel(Puppet), journaled=True) as bench:
        bench.control(OperationTag.ATTACH, AttachOperation())
        yield bench


# ── Exchanges ────────────────────────────────────────────────────────────────────────────────────────


def test_an_exchange_in_either_time(opened: Opener) -> None:
    for clock in ("virtual", "real"):
        bench = opened(clock=clock)
        assert bench.virtual is (clock == "virtual")
        assert bench.peer.name == b"puppet"
        begun = bench.now
        bench.send(b"one", Lane.SIDEBAND)
        bench.send(b"two", Lane.LASER)
        two = bench.expect(lambda a: a.data == b"two", begun + 10 * S)
        one = bench.expect(anything, begun + 10 * S)
        assert two is not None
        assert one is not None
        assert (one.data, one.lane, two.lane) == (b"one", Lane.SIDEBAND, Lane.LASER)
        assert begun <= one.time <= two.time
        assert bench.arrivals == []
        assert bench.alive()
        bench.close()


def test_much_at_once_and_long_packets(opened: Opener) -> None:
    bench = opened(clock="virtual")
    bench.send(b"echo 65555 3", Lane.LASER)
    for i in range(1000):
        bench.send(f"n{i}".encode(), Lane.LASER)
    bench.run(1)
    assert [len(a.data) for a in bench.arrivals[:3]] == [65_555] * 3
    assert [a.data for a in bench.arrivals[3:]] == [f"n{i}".encode() for i in range(1000)]


def test_rebinding_begins_anew(opened: Opener) -> None:
    bench = opened(clock="virtual")
    bench.send(b"every 1000", Lane.LASER)
    bench.run(10_000)
    assert len(bench.arrivals) == 10
    bench.send(b"unsent", Lane.LASER)
    bench.rebind()
    assert (bench.now, bench.arrivals) == (0, [])
    bench.run(10_000)
    assert (bench.now, bench.arrivals, bench.next) == (10_000, [], NEVER)
    assert bench.control(OperationTag.ATTACH, AttachOperation()).result is Outcome.DONE


def test_operations_and_their_lanes(opened: Opener) -> None:
    bench = opened(clock="virtual")
    assert bench.offers(OperationTag.ATTACH)
    assert not bench.offers(OperationTag.DETACH)
    assert bench.control(OperationTag.DETACH).result is Outcome.UNSUPPORTED
    bench.send(b"after 5", Lane.LASER)
    bench.run(0)
    assert bench.control(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER)).result is Outcome.DONE
    assert bench.control(OperationTag.LANE_DOWN, b"").result is Outcome.FAILED
    bench.run(10)
    assert bench.arrivals == []
    assert bench.control(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER)).result is Outcome.DONE
    bench.send(b"again", Lane.LASER)
    assert bench.expect(anything, 20) is not None


def test_the_journal_holds_every_record_both_ways(puppet: Bench) -> None:
    bench = puppet
    bench.journal.clear()
    bench.send(b"x", Lane.LASER)
    bench.run(5)
    bench.raw(b"\x00" * 3)
    kinds = [(e.sent, e.record.kind) for e in bench.journal[:-1] if isinstance(e.record, Record)]
    packet, clock = RecordKind.PACKET, RecordKind.CLOCK
    assert kinds == [(True, packet), (True, clock), (False, packet), (False, clock)]
    assert bench.journal[-1].record == b"\x00" * 3


# ── Virtual time ─────────────────────────────────────────────────────────────────────────────────────


def test_a_timer_is_seen_at_the_very_nanosecond(opened: Opener) -> None:
    bench = opened(clock="auto")
    assert bench.virtual
    bench.run(1_000)
    bench.send(b"after 2000000001", Lane.LASER)
    assert bench.expect(anything, 1_000 + 2 * S) is None
    assert bench.now == 1_000 + 2 * S
    arrival = bench.expect(anything, NEVER)
    assert arrival is not None
    assert arrival.time == bench.now == 1_000 + 2 * S + 1
    assert bench.next == NEVER
    assert bench.expect(anything, NEVER) is None
    assert bench.now == NEVER


def test_expecting_stops_where_it_must_and_loses_nothing(puppet: Bench) -> None:
    bench = puppet
    for word in (b"after 30", b"planned 10", b"after 20", b"now"):
        bench.send(word, Lane.LASER)
    planned = bench.expect(lambda a: a.data.startswith(b"planned"), 100)
    assert planned is not None
    assert planned.time == bench.now == 10
    timer = bench.expect(lambda a: a.data == b"timer", 100)
    assert timer is not None
    assert timer.time == bench.now == 20
    assert bench.next == 30
    assert [a.data for a in bench.arrivals] == [b"now"]
    assert bench.expect(lambda a: a.data == b"now", 0) is not None
    assert bench.expect(anything, 29) is None
    assert bench.now == 29


def test_what_is_sent_later_meets_what_was_planned(puppet: Bench) -> None:
    """The tester acts between two timers, at a time of its own choosing."""
    bench = puppet
    bench.send(b"every 100", Lane.LASER)
    bench.run(150)
    bench.send(b"here", Lane.LASER)
    bench.run(250)
    assert [(a.time, a.data) for a in bench.arrivals] == [(100, b"timer"), (150, b"here"), (200, b"timer")]
    bench.run(0)
    assert bench.now == 250


def test_same_seed_same_records(opened: Opener) -> None:
    journals = []
    bench = opened(clock="virtual", seed=9, journaled=True)
    for _ in range(2):
        bench.journal.clear()
        bench.bind()
        bench.control(OperationTag.ATTACH, b"\x64")
        bench.journal.pop()  # the number of an operation is the tester's
        bench.send(b"every 7", Lane.LASER)
        bench.run(100)
        journals.append([e.record for e in bench.journal if not e.sent])
    assert journals[0] == journals[1]
    assert len(journals[0]) == 1 + 14 + 1


# ── Real time ────────────────────────────────────────────────────────────────────────────────────────


def test_real_time_passes_by_itself(opened: Opener) -> None:
    bench = opened(clock="real")
    begun = bench.now
    bench.send(b"after 40000000", Lane.LASER)
    bench.send(b"after 20000000", Lane.SIDEBAND)
    sooner, later = (bench.expect(anything, begun + 20 * S) for _ in range(2))
    assert sooner is not None
    assert later is not None
    assert (sooner.lane, later.lane) == (Lane.SIDEBAND, Lane.LASER)
    assert begun + 20 * MS <= sooner.time <= later.time
    assert begun + 40 * MS <= later.time <= bench.now
    until = bench.now + 5 * MS
    bench.run(until)
    assert bench.now >= until
    assert bench.expect(anything, bench.now + 2 * MS) is None


def test_calibration_measures_the_bench(opened: Opener) -> None:
    found = opened(clock="real").calibrate(20)
    assert found.rounds == 20
    assert 0 < found.p50 <= found.p99 <= found.max


# ── Much at once ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_flood_is_stopped(opened: Opener, clock: Any) -> None:
    bench = opened(clock=clock, flood=1 << 14)
    bench.send(b"echo 6000 1000", Lane.LASER)
    with pytest.raises(BindingError, match="at once"):
        bench.expect(nothing, NEVER)


@pytest.mark.parametrize("carrier", ["stdio", "tcp", "unix"], indirect=True)
def test_both_sides_may_talk_at_once(opened: Opener) -> None:
    """What is sent and what it provokes exceed what a socket holds, both ways."""
    bench = opened(clock="real")
    for _ in range(200):
        bench.send(b"echo 20000 1" + b" " * 20_000, Lane.LASER)
    until = bench.now + 30 * S
    for _ in range(200):
        assert bench.expect(anything, until) is not None
