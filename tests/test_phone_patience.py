"""What a phone does about a module that does not answer: asks again, gives up in a sentence, goes on where it can.

Plan: a wire that loses answers · asking again · giving up · whom a phone trusts.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.protocol.codec import Packet, Status, decode
from opalink.protocol.engine.meeting import Meeting, Wire
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import Condition, ConditionOperation, CounterId, Lane, OperationTag, PacketType
from opalink.protocol.spdm.reference import roots
from opalink.spec.form import MS, SECOND, Role

# ── A wire that loses answers ────────────────────────────────────────────────────────────────────────


class Lossy(Wire):
    """A wire that loses what `loses` says of a packet and its sender; `sent` is what was sent, with its time."""

    def __init__(self, loses: Callable[[Role, Packet], bool]) -> None:
        super().__init__()
        self.loses, self.dark = loses, False
        self.sent: list[tuple[int, Role, Packet]] = []

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        packet = decode(data)
        self.sent.append((now, role, packet))
        if not self.loses(role, packet):
            super().send(role, lane, data, now)

    def light(self, _: int, /) -> bool:
        return not self.dark


def meet(loses: Callable[[Role, Packet], bool], profile: str = "four-thirds") -> tuple[Meeting, Lossy]:
    wire = Lossy(loses)
    meeting = Meeting(Phone(), Module(profile), wire)
    meeting.put_on()
    return meeting, wire


def asked(wire: Lossy, kind: PacketType) -> list[tuple[int, Packet]]:
    return [(time, p) for time, role, p in wire.sent if role is Role.PHONE and p.type is kind and not p.rsp]


def answer(kind: PacketType) -> Callable[[Role, Packet], bool]:
    return lambda role, p: role is Role.MODULE and p.rsp == 1 and p.type is kind


def first(count: int, kind: PacketType) -> Callable[[Role, Packet], bool]:
    """The first answers of a type are lost."""
    left = [count]

    def loses(role: Role, p: Packet) -> bool:
        hit = answer(kind)(role, p) and left[0] > 0
        left[0] -= hit
        return hit

    return loses


# ── Asking again ─────────────────────────────────────────────────────────────────────────────────────

ASKED = [PacketType.DESC_READ, PacketType.MODE_TABLE, PacketType.STREAM_CONFIGURE, PacketType.CAPTURE_QUEUE]


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("kind", ASKED)
def test_a_still_comes_though_the_first_answers_are_lost(kind: PacketType, lost: int) -> None:
    meeting, wire = meet(first(lost, kind))
    phone = meeting.phone
    phone.user.open(3, width=320, height=240)
    phone.user.still()
    assert meeting.run_until(lambda: bool(phone.frames.stills), 3 * SECOND), phone.complaints
    repeated = [p for _, p in asked(wire, kind)][: lost + 1]
    assert len({p.txn for p in repeated}) == 1
    assert len({repr(p.body) for p in repeated}) == 1
    assert not phone.complaints
    meeting.run(meeting.now + SECOND)
    assert len(phone.frames.stills) == 1  # a repetition has no second effect


def test_a_request_is_repeated_once_its_answer_is_overdue_and_says_when_it_was_launched() -> None:
    meeting, wire = meet(first(2, PacketType.MODE_TABLE))
    assert meeting.run_until(lambda: meeting.phone.reader.complete, SECOND)
    times = [time for time, _ in asked(wire, PacketType.MODE_TABLE)]
    assert [b - a for a, b in pairwise(times)] == [50 * MS, 50 * MS]
    assert [p.t_ns for _, p in asked(wire, PacketType.MODE_TABLE)] == times


def test_what_no_lane_carries_waits_for_one_and_is_not_given_up() -> None:
    meeting, wire = meet(answer(PacketType.CAPTURE_QUEUE))
    phone = meeting.phone
    phone.user.open(3, width=320, height=240)
    phone.user.still()
    assert meeting.run_until(lambda: bool(asked(wire, PacketType.CAPTURE_QUEUE)), SECOND)
    wire.dark = True
    meeting.run(meeting.now + SECOND)  # within tHoldover
    assert len(asked(wire, PacketType.CAPTURE_QUEUE)) == 1
    assert not phone.complaints
    wire.dark, wire.loses = False, lambda _role, _packet: False
    assert meeting.run_until(lambda: bool(phone.frames.stills), meeting.now + 2 * SECOND), phone.complaints


@settings(max_examples=25, deadline=None)
@given(lost=st.sets(st.integers(0, 120), max_size=30))
def test_whatever_few_packets_of_a_session_are_lost_the_phone_knows_its_module_or_says_why_not(lost: set[int]) -> None:
    seen = iter(range(1 << 30))
    meeting, _ = meet(lambda _role, _packet: next(seen) in lost)
    done = meeting.run_until(lambda: meeting.phone.reader.complete, 8 * SECOND)
    assert done or meeting.phone.complaints or meeting.phone.runs["ATTACH"].state == "FAULT"


@pytest.mark.parametrize("busy", [5 * MS, 90 * MS, 400 * MS])
@pytest.mark.parametrize("kind", [PacketType.DESC_READ, PacketType.MODE_TABLE])
def test_a_module_that_was_busy_when_it_was_read_is_read_once_it_is_not(kind: PacketType, busy: int) -> None:
    module, seen = Module("four-thirds"), False

    def loses(role: Role, packet: Packet) -> bool:
        nonlocal seen
        if role is Role.PHONE and packet.type is kind and not seen:
            seen = True
            module.around.conditions.add(Status.BUSY)
        return False

    meeting = Meeting(Phone(), module, Lossy(loses))
    meeting.put_on()
    assert meeting.run_until(lambda: seen, SECOND)
    meeting.run(meeting.now + busy)
    assert not meeting.phone.reader.complete
    meeting.operate(OperationTag.CONDITION, ConditionOperation(Condition.BUSY, 0))
    assert meeting.run_until(lambda: meeting.phone.reader.complete, meeting.now + SECOND)
    assert not meeting.phone.complaints


@pytest.mark.parametrize("kind", [PacketType.DESC_READ, PacketType.MODE_TABLE])
def test_a_module_that_refuses_to_be_read_is_complained_of_and_not_asked_again(kind: PacketType) -> None:
    module = Module("four-thirds")

    def loses(role: Role, packet: Packet) -> bool:
        if role is Role.PHONE and packet.type is kind:
            module.around.conditions.add(Status.NO_MEMORY)
        return False

    wire = Lossy(loses)
    meeting = Meeting(Phone(), module, wire)
    meeting.put_on()
    meeting.run(2 * SECOND)
    assert len(asked(wire, kind)) == 1
    what = "descriptor" if kind is PacketType.DESC_READ else "table of modes"
    assert f"The {what} cannot be read: NO_MEMORY." in meeting.phone.complaints


# ── Giving up ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ASKED)
def test_a_request_that_is_never_answered_is_given_up_in_a_sentence(kind: PacketType) -> None:
    meeting, wire = meet(answer(kind))
    meeting.phone.user.open(3, width=320, height=240)
    meeting.phone.user.still()
    meeting.run(2 * SECOND)
    assert meeting.phone.complaints[0] == f"The module did not answer {kind.name}, which was sent 3 times."
    assert [p.txn for _, p in asked(wire, kind)][:3] == [asked(wire, kind)[0][1].txn] * 3
    assert meeting.phone.counters.count(CounterId.UNANSWERED) >= 1
    assert meeting.phone.runs["ATTACH"].state in ("READY_BASIC", "READY_FULL")  # nothing else is the worse for it


def test_what_a_timer_of_its_own_waits_for_is_not_repeated_besides() -> None:
    meeting, wire = meet(answer(PacketType.PWR_BUDGET))
    assert meeting.run_until(lambda: meeting.phone.runs["POWER"].state == "CONTRACT", SECOND)
    meeting.run(meeting.now + 200 * MS)
    meeting.phone.supply.budget(2000)
    meeting.phone.settle()
    meeting.run(meeting.now + SECOND)
    transactions = [p.txn for _, p in asked(wire, PacketType.PWR_BUDGET)]
    assert len(transactions) == len(set(transactions))
    assert transactions


def test_a_module_never_repeats_and_a_phone_only_so_often() -> None:
    meeting, wire = meet(lambda role, p: role is Role.MODULE and p.rsp == 1 and p.type is PacketType.DESC_READ)
    meeting.run(10 * SECOND)
    assert len(asked(wire, PacketType.DESC_READ)) == 3
    of_module = [(p.type, p.txn) for _, role, p in wire.sent if role is Role.MODULE and p.txn and not p.rsp]
    assert len(of_module) == len(set(of_module))


# ── Whom a phone trusts ──────────────────────────────────────────────────────────────────────────────


def shoot(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    bench = "py:opalink.protocol.engine.module:Module"
    found = CliRunner().invoke(
        cli, ["phone", "shoot", bench, "--mode", "3", "--out", str(tmp_path / "a.dng"), *arguments]
    )
    return found.exit_code, found.output


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["pem", "der"])
def test_a_module_behind_a_bench_is_genuine_for_whoever_has_its_makers_root(tmp_path: Path, encoding: Encoding) -> None:
    files = []
    for number, root in enumerate(roots()):
        files.append(tmp_path / f"{number}.crt")
        files[-1].write_bytes(root.public_bytes(encoding))
    code, told = shoot(tmp_path, *(a for file in files for a in ("--root", str(file))))
    assert code == 0, told
    assert "the module is GENUINE" in told


def test_without_a_root_nothing_is_concluded(tmp_path: Path) -> None:
    code, told = shoot(tmp_path)
    assert code == 0, told
    assert "the module is UNKNOWN: it was not asked for proof" in told


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"),
        (bytes(2 << 20), "is larger than"),
    ],
    ids=["empty", "broken", "huge"],
)
def test_a_root_that_is_none_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(content)
    code, told = shoot(tmp_path, "--root", str(file))
    assert code == 2
    assert sentence in told
    assert not (tmp_path / "a.dng").exists()


def test_a_root_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    code, told = shoot(tmp_path, "--root", str(tmp_path / "none.pem"))
    assert code == 5
    assert "none.pem" in told
