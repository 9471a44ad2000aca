"""What a tester sees of implementations that crash, hang, flood, or break the binding.

Plan: scripted peers · rules of the binding · what is no fault · crashes and hangs · programs that are something else.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opalink.protocol.packets.bodies import (
    Bind,
    ClockAnswer,
    ControlResult,
    Log,
    decode_Bind,
    decode_ClockSet,
    decode_ControlRequest,
    encode_Bind,
    encode_ClockAnswer,
    encode_ControlResult,
    encode_Log,
)
from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.packets.enums import BindRole, ClockMode, Lane, Operation, OperationTag, Plane, RecordKind
from opalink.protocol.packets.tlvs import AttachOperation
from opalink.protocol.transport import Bench, BindingError, Channel, Closed, Hang, IutUri, NotOffered, Unreachable
from opalink.protocol.transport.framing import LIMIT, NEVER, RecordReader
from opalink.protocol.transport.local import LocalChannel
from tests.transport_puppet import COMMAND, Puppet, nothing

# ── Scripted peers ───────────────────────────────────────────────────────────────────────────────────

Script = Callable[[Record], list[Record]]


class Scripted(Channel):
    """A peer that answers each record with what a script says, in one piece with all else, or piece by piece."""

    def __init__(self, script: Script, before: bytes = b"", *, pieces: bool = False) -> None:
        self._script, self._reader = script, RecordReader()
        self._pieces = pieces
        self._waiting = [before] if before else []

    def send(self, data: bytes) -> None:
        out = [encode_Record(answer) for record in self._reader.feed(data) for answer in self._script(record)]
        self._waiting += out if self._pieces else [b"".join(out)]

    def receive(self, timeout: float | None) -> bytes | None:  # noqa: ARG002
        return self._waiting.pop(0) or None if self._waiting else None

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        pass


def bound(**fields: Any) -> Record:
    body = {"role": BindRole.MODULE, "planes": 1, "clocks": 3, "operations": Operation.ATTACH} | fields
    return Record(RecordKind.BIND, payload=encode_Bind(Bind(**body)))


def done(seq: int) -> Record:
    return Record(RecordKind.CONTROL, payload=encode_ControlResult(ControlResult(seq)))


def reached(now: int, then: int = NEVER) -> Record:
    return Record(RecordKind.CLOCK, payload=encode_ClockAnswer(ClockAnswer(now, then)))


def packet(at: int, *, timed: int = 1, lane: Lane = Lane.LASER, kind: RecordKind = RecordKind.PACKET) -> Record:
    return Record(kind, lane, timed=timed, time=at, payload=b"data")


def honest(record: Record) -> list[Record]:
    """A peer that keeps to the binding and otherwise does nothing."""
    payload, end = record.payload, len(record.payload)
    match record.kind:
        case RecordKind.BIND:
            return [bound()]
        case RecordKind.CONTROL:
            return [done(decode_ControlRequest(payload, 0, end).seq)]
        case RecordKind.CLOCK:
            return [reached(decode_ClockSet(payload, 0, end).now)]
    return []


def upon(kind: RecordKind, *answers: Record, before: bool = False, instead: bool = False) -> Script:
    """Honest but for what it says upon records of one kind: after the honest answer, before it, or instead."""

    def script(record: Record) -> list[Record]:
        right, wrong = honest(record), list(answers)
        if record.kind is not kind:
            return right
        return wrong if instead else wrong + right if before else right + wrong

    return script


def attached(channel: Channel, **choices: Any) -> Bench:
    bench = Bench(channel, **choices)
    bench.control(OperationTag.ATTACH, AttachOperation())
    return bench


# ── Rules of the binding ─────────────────────────────────────────────────────────────────────────────

BIND, CONTROL, CLOCK = RecordKind.BIND, RecordKind.CONTROL, RecordKind.CLOCK


def use(channel: Channel, **choices: Any) -> Bench:
    """Bind, attach, go to 100 ns, then to 200 ns."""
    bench = attached(channel, **choices)
    bench.run(100)
    bench.run(200)
    return bench


BROKEN: dict[str, tuple[str, Script]] = {
    "two answers to BIND": ("R-BEN-001", upon(BIND, bound())),
    "BIND unasked": ("R-BEN-001", upon(CLOCK, bound())),
    "a packet on a lane that is down": ("R-BEN-010", upon(CLOCK, packet(100, lane=Lane.NONE), before=True)),
    "two answers to CONTROL": ("R-BEN-020", upon(CONTROL, done(1))),
    "another CONTROL's answer": ("R-BEN-020", upon(CONTROL, done(2), instead=True)),
    "CONTROL unasked": ("R-BEN-020", upon(CLOCK, done(1))),
    "less time than was set": ("R-BEN-031", upon(CLOCK, reached(99), instead=True)),
    "more time than was set": ("R-BEN-031", upon(CLOCK, reached(101), instead=True)),
    "a packet of the future": ("R-BEN-031", upon(CLOCK, packet(101), before=True)),
    "two answers to CLOCK": ("R-BEN-032", upon(CLOCK, reached(100))),
    "CLOCK unasked": ("R-BEN-032", upon(CONTROL, reached(0))),
    "a packet without its time": ("R-BEN-033", upon(CLOCK, packet(50, timed=0), before=True)),
    "packets out of order": ("R-BEN-034", upon(CLOCK, packet(50), packet(49), before=True)),
    "a packet of the past": ("R-BEN-034", upon(CLOCK, packet(50), before=True)),
    "a packet after the answer": ("R-BEN-035", upon(CLOCK, packet(100))),
    "a packet while time stands still": ("R-BEN-035", upon(CONTROL, packet(0), before=True)),
    "next is now": ("R-BEN-037", upon(CLOCK, reached(100, 100), instead=True)),
    "a FLIT on the packet plane": ("", upon(CLOCK, packet(50, kind=RecordKind.FLIT), before=True)),
    "CLOCK that cannot be read": ("", upon(CLOCK, Record(CLOCK, payload=b"short"), instead=True)),
    "LOG that cannot be read": ("", upon(CLOCK, Record(RecordKind.LOG))),
    "BIND that cannot be read": ("", upon(BIND, Record(BIND, payload=bytes(99)), instead=True)),
    "a tester": ("", upon(BIND, bound(role=BindRole.TESTER), instead=True)),
    "an unknown role": ("", upon(BIND, bound(role=77), instead=True)),
}


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_named(what: str, pieces: bool) -> None:
    rule, script = BROKEN[what]
    if pieces and what in ("two answers to CLOCK", "CLOCK unasked"):
        rule = "R-BEN-031"  # what comes too late is taken for the next answer, and is a wrong one
    if pieces and what == "a packet after the answer":
        return  # what comes too late is on time in the next step
    with pytest.raises(BindingError) as error:
        use(Scripted(script, pieces=pieces))
    assert error.value.rule == rule
    assert rule in str(error.value)


def test_before_bind_there_is_nothing_to_say() -> None:
    with pytest.raises(BindingError) as error:
        Bench(Scripted(honest, encode_Record(packet(0))))
    assert error.value.rule == "R-BEN-002"


def test_in_real_time_there_are_no_clock_records() -> None:
    with pytest.raises(BindingError) as error:
        use(Scripted(upon(CONTROL, reached(0))), clock="real").run(10)
    assert error.value.rule == "R-BEN-038"


def test_a_record_above_the_limit() -> None:
    bench = use(Scripted(honest))
    bench._channel = Scripted(honest, (LIMIT + 1).to_bytes(4, "little") + bytes(12))
    with pytest.raises(BindingError, match="the limit is"):
        bench.run(300)


def test_silence_is_a_hang() -> None:
    with pytest.raises(Hang, match="BIND was not answered"):
        Bench(Scripted(lambda _: []))
    with pytest.raises(Hang, match="CLOCK was not answered"):
        use(Scripted(upon(CLOCK, instead=True)))


# ── What is no fault ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pieces", [False, True])
def test_logs_and_records_of_unknown_kinds_are_none(pieces: bool) -> None:
    log = Record(RecordKind.LOG, payload=encode_Log(Log(text=b"hello")))
    for kind in (BIND, CONTROL, CLOCK):
        bench = use(Scripted(upon(kind, log, Record(99, payload=b"?"), before=True), pieces=pieces))
        assert {x.text for x in bench.logs} == {b"hello"}


def test_what_is_left_of_a_binding_is_not_the_next_ones() -> None:
    """A peer that had hung wakes up: its late answers come before that to BIND."""
    late: list[Record] = []

    def sleepy(record: Record) -> list[Record]:
        if record.kind is CLOCK and not late:
            late.extend([packet(5), *honest(record), done(3)])
            return []
        return [*late, *honest(record)] if record.kind is BIND else honest(record)

    bench = Bench(Scripted(sleepy))
    with pytest.raises(Hang):
        bench.run(100)
    bench.rebind()
    bench.run(50)
    assert (bench.now, bench.arrivals) == (50, [])


def test_the_clock_is_chosen_from_what_is_offered() -> None:
    """`auto` prefers virtual time."""
    for clocks, virtual in ((ClockMode.REAL, False), (ClockMode.VIRTUAL, True), (3, True)):
        assert Bench(Scripted(upon(BIND, bound(clocks=clocks), instead=True))).virtual is virtual
    for offered, clock in ((ClockMode.REAL, "virtual"), (ClockMode.VIRTUAL, "real"), (0, "auto")):
        with pytest.raises(NotOffered):
            Bench(Scripted(upon(BIND, bound(clocks=offered), instead=True)), clock=clock)  # type: ignore[arg-type]


def test_bind_names_one_plane_one_clock_and_the_seed() -> None:
    seen: list[Bind] = []

    def watching(record: Record) -> list[Record]:
        if record.kind is BIND:
            seen.append(decode_Bind(record.payload, 0, len(record.payload)))
            return [bound(planes=3)]
        return honest(record)

    Bench(Scripted(watching), plane="flit", clock="real", seed=12)
    assert (seen[0].planes, seen[0].clocks, seen[0].seed) == (Plane.FLIT, ClockMode.REAL, 12)


# ── Crashes and hangs ────────────────────────────────────────────────────────────────────────────────


def program(**choices: Any) -> Bench:
    return attached(IutUri.parse(f"stdio:{COMMAND} stdio:").open(), **choices)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_crash_in_the_middle_of_an_exchange_is_closed_with_evidence(clock: Any) -> None:
    with program(clock=clock) as bench:
        bench.send(b"before", Lane.LASER)
        bench.send(b"die 7", Lane.LASER)
        with pytest.raises(Closed) as error:
            bench.run(bench.now + 20_000_000_000)
        assert error.value.evidence == "exit status 7\nlast words\n"
        assert not bench.alive()


def test_an_endpoint_of_this_process_crashes_alone() -> None:
    for word in (b"raise", b"exit"):
        bench = attached(LocalChannel(Puppet))
        bench.send(word, Lane.LASER)
        with pytest.raises(Closed) as error:
            bench.run(5)
        assert "Traceback" in error.value.evidence
        assert not bench.alive()


def test_the_program_that_raises_says_why() -> None:
    with program() as bench:
        bench.send(b"raise", Lane.LASER)
        with pytest.raises(Closed, match="closed the connection") as error:
            bench.run(5)
        assert bench.logs[-1].text == b"ZeroDivisionError: a defect"
        assert error.value.evidence.startswith("exit status 1\nTraceback")


def test_a_hang_is_no_crash() -> None:
    with program() as bench:
        bench.patience = 0.2
        bench.send(b"hang", Lane.LASER)
        with pytest.raises(Hang, match="CLOCK was not answered") as error:
            bench.run(5)
        assert error.value.evidence == "still running"


def test_what_a_program_prints_is_no_record() -> None:
    with program() as bench:
        bench.send(b"print", Lane.LASER)
        bench.run(5)
        assert bench.alive()
        bench.send(b"die 0", Lane.LASER)
        with pytest.raises(Closed) as error:
            bench.run(6)
        assert "chatter" in error.value.evidence


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("true", Closed),
        ("cat", BindingError),  # a tester's BIND, not an implementation's
        ("yes", BindingError),
        ("sleep 600", Hang),
        ("/no/such/program", Unreachable),
    ],
)
def test_a_program_that_is_no_implementation(command: str, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        Bench.open(f"stdio:{command}", patience=0.3)


def test_a_plane_that_is_not_offered() -> None:
    with pytest.raises(NotOffered, match="FLIT plane"):
        Bench(LocalChannel(Puppet), plane="flit")


def test_by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_puppet.py").write_text("from tests.transport_puppet import Puppet as make\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with Bench.open("py:acme_puppet:make") as bench:
        assert bench.peer.name == b"puppet"


def test_a_peer_that_always_wants_to_run_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opalink.protocol.transport.bench.STEPS", 100)
    bench = attached(LocalChannel(Puppet))
    bench.send(b"every 1", Lane.LASER)
    with pytest.raises(Hang, match="asked 100 times"):
        bench.expect(nothing, 1_000_000)
