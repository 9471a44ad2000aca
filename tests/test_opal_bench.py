"""The bench binding in C beside the one in Python: whatever a tester sends, both say the same.

Plan: the twins · any tester · what a tester may not send.
"""

import subprocess
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import Lane, Operation, Outcome, Plane, RecordKind, VersionAnswer
from opalink.protocol.packets.bodies import Bind, ClockSet, encode_Bind, encode_ClockSet
from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.packets.enums import OperationTag
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import BindingError
from opalink.protocol.transport.framing import LIMIT, RecordReader
from opalink.protocol.transport.library import BENCH, HEADERS
from opalink.protocol.transport.local import Inbox
from opalink.protocol.transport.session import Session
from opalink.spec.form import Role
from tests.test_adapters import CC, needs_compiler

# ── The twins ────────────────────────────────────────────────────────────────────────────────────────


class Twin:
    """Sends back what it hears, and `timer` as many nanoseconds later as the first byte says. It has no link layer of
    its own, so on the FLIT plane the lanes carry the same."""

    role = Role.MODULE
    name = "twin"
    planes = Plane.PACKET | Plane.FLIT
    operations = int(Operation.ATTACH | Operation.DETACH | Operation.LANE_DOWN | Operation.LANE_UP | Operation.VERSION)

    def __init__(self) -> None:
        self.reset()

    def reset(self, *_: Any) -> None:
        self.out: list[Departure] = []
        self.timers: list[tuple[int, int, Lane]] = []
        self._order = count()

    def take_plane(self, plane: Plane) -> None:
        pass

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        if not data:  # nobody can send nothing: the table of functions has no word for it
            return
        self.out.append(Departure(now, lane, data))
        if data[0]:
            heappush(self.timers, (now + data[0], next(self._order), lane))

    def deadline(self) -> int | None:
        return self.timers[0][0] if self.timers else None

    def advance(self, now: int) -> None:
        while self.timers and self.timers[0][0] <= now:
            due, _, lane = heappop(self.timers)
            self.out.append(Departure(due, lane, b"timer"))

    def outbox(self) -> list[Departure]:
        out, self.out = self.out, []
        return out

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:  # noqa: ARG002
        answer = (Tlv(operation.tag, VersionAnswer(product=b"twin")),) if operation.tag == OperationTag.VERSION else ()
        return Outcome.DONE, answer


class Unlayered(Session):
    """A session that leaves the lanes as they are on either plane."""

    def _meet_on(self, plane: Plane) -> None:
        self._kind = RecordKind.FLIT if plane is Plane.FLIT else RecordKind.PACKET


def python_says(data: bytes) -> list[Record]:
    inbox = Inbox()
    session = Unlayered(Twin(), inbox)
    try:
        session.feed(data)
    except BindingError:
        session._flush()
    return records(inbox.take())


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("twin") / "twin"
    folders = [x for path in HEADERS for x in ("-I", str(path.parent))]
    source = Path(__file__).with_name("opal_twin.c")
    warnings = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run([*CC, "-std=c99", *warnings, *folders, "-o", out, source, *BENCH], check=True)
    return out


def c_says(program: Path, data: bytes) -> list[Record]:
    done = subprocess.run([program], input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done
    assert bool(done.stderr) is bool(done.returncode), done
    return records(done.stdout)


def records(data: bytes) -> list[Record]:
    """What was said, logs aside: they are as each likes. One whose answer says more than its bytes is not compared."""
    return [r for r in RecordReader().feed(data) if r.kind != RecordKind.LOG]


# ── Any tester ───────────────────────────────────────────────────────────────────────────────────────


def record(kind: int, payload: bytes, lane: int = 0) -> bytes:
    return encode_Record(Record(RecordKind(kind) if kind < 6 else kind, lane, payload=payload))


def binding(planes: int, clocks: int, seed: int) -> bytes:
    return record(RecordKind.BIND, encode_Bind(Bind(planes=planes, clocks=clocks, seed=seed)))


def clock(now: int) -> bytes:
    return record(RecordKind.CLOCK, encode_ClockSet(ClockSet(now)))


def operation(tag: int, value: bytes, seq: int = 7) -> bytes:
    payload = seq.to_bytes(2, "little") + tag.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
    return record(RecordKind.CONTROL, payload)


VIRTUAL = binding(1, 2, 1)
ATTACH = operation(OperationTag.ATTACH, b"\x64")
BINDINGS = st.builds(binding, st.sampled_from([1, 1, 2, 3, 0, 8]), st.sampled_from([2, 2, 2, 0, 3]), st.integers(0, 3))
PACKETS = st.builds(
    record, st.sampled_from([1, 1, 1, 2]), st.binary(max_size=40), st.sampled_from([1, 2, 2, 0, 3, 255])
)
CLOCKS = st.builds(clock, st.integers(0, 9) | st.integers(0, 400) | st.integers(0, 1 << 40))
OPERATIONS = st.builds(
    operation, st.sampled_from([1, 2, 3, 4, 7]), st.sampled_from([b"", b"\x01", b"\x02", b"\x03", b"\x64"])
) | st.builds(operation, st.integers(0, 70), st.binary(max_size=3), st.integers(0, 0xFFFF))
STRANGE = st.builds(record, st.integers(0, 9), st.binary(max_size=40), st.integers(0, 255))
TESTERS = st.lists(st.one_of(PACKETS, CLOCKS, OPERATIONS, PACKETS, CLOCKS, BINDINGS, STRANGE), max_size=25)


def compared(program: Path, data: bytes) -> list[Record]:
    expected = python_says(data)
    assert c_says(program, data) == expected
    return expected


@needs_compiler
@settings(max_examples=250, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=TESTERS, bound=st.booleans())
def test_both_say_the_same_to_any_tester(twin: Path, script: list[bytes], bound: bool) -> None:
    compared(twin, b"".join([VIRTUAL, ATTACH, *script] if bound else script))


@needs_compiler
def test_what_was_sent_leaves_at_its_time_on_the_lanes_that_then_carry(twin: Path) -> None:
    down, up = operation(3, b"\x02"), operation(4, b"\x02")
    packet = record(1, b"\x05abc", 2)
    script = [VIRTUAL, ATTACH, clock(10), packet, down, clock(12), up, clock(20), packet, operation(2, b""), clock(99)]
    said = compared(twin, b"".join(script))
    assert [(r.time, bytes(r.payload)) for r in said if r.kind == RecordKind.PACKET] == [(15, b"timer")]


@needs_compiler
def test_time_never_goes_back(twin: Path) -> None:
    said = compared(twin, VIRTUAL + ATTACH + clock(10) + clock(9) + record(1, b"x", 2) + clock(9))
    assert [r.time for r in said if r.kind == RecordKind.PACKET] == [10]


# ── What a tester may not send ───────────────────────────────────────────────────────────────────────


@needs_compiler
@pytest.mark.parametrize("length", [LIMIT + 1, 1 << 31, (1 << 32) - 1])
def test_a_record_above_the_limit_ends_the_connection(twin: Path, length: int) -> None:
    data = VIRTUAL + length.to_bytes(4, "little") + bytes(1 << 20)
    done = subprocess.run([twin], input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == b"The connection ends: a record is above the limit.\n"
    assert len(records(done.stdout)) == 1


@needs_compiler
def test_the_longest_record_is_none_above_it(twin: Path) -> None:
    script = VIRTUAL + ATTACH + record(1, bytes(LIMIT), 2) * 3 + clock(9)
    assert compared(twin, script)[-1].kind == RecordKind.CLOCK
