"""Numbers of the packet layer that go round: transactions, offers, contracts, pulses, sessions, and frames in blocks.

Each is started just below its wrap; what follows must not show in anything that a user or a peer can see.

Plan: two sides · transactions · frames · power · pulses and sessions.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.codec import Packet, decode
from opalink.protocol.engine.clock import Clock
from opalink.protocol.engine.exchanges import STORED, Incoming, Outgoing
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.meeting import Meeting, Wire
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.exposures import Exposures
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.frames import Frame
from opalink.protocol.packets import CounterId, Lane, PacketType
from opalink.spec.form import MS, SECOND, Role

U8, U16, U32 = 0xFF, 0xFFFF, 0xFFFF_FFFF
SMALL = 3  # the mode with the fewest pixels

# ── Two sides ────────────────────────────────────────────────────────────────────────────────────────


class Losing(Wire):
    """A wire that loses every so many frame blocks, each once."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every, self._blocks = every, 0

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        if data[1] == PacketType.FRAME_BLOCK:
            self._blocks += 1
            if self._every and self._blocks % self._every == 0:
                return
        super().send(role, lane, data, now)


class Pair(Meeting):
    def __init__(self, every: int = 0, profile: str = "four-thirds") -> None:
        self.near = Module(profile)
        super().__init__(Phone(), self.near, Losing(every))
        self.heard: list[tuple[Role, Packet]] = []
        self.frames: list[Frame] = []
        self.taps.append(self._hear)
        self.phone.on_frame = self.frames.append

    def _hear(self, _time: int, role: Role, _lane: Lane, data: bytes) -> None:
        if data[1] != PacketType.FRAME_BLOCK:
            self.heard.append((role, decode(data)))

    def known(self) -> "Pair":
        self.put_on()
        assert self.run_until(lambda: self.phone.reader.complete, SECOND)
        return self

    def of(self, kind: PacketType, role: Role) -> list[Packet]:
        return [p for who, p in self.heard if who is role and p.type is kind and not p.rsp]


# ── Transactions ─────────────────────────────────────────────────────────────────────────────────────


def _outgoing() -> Outgoing:
    return Outgoing(Clock(), SECOND, lambda _: True, lambda _: None)


@given(last=st.integers(U16 - 40, U16), held=st.sets(st.one_of(st.integers(1, 60), st.integers(U16 - 60, U16))))
def test_a_transaction_number_is_never_0_and_never_one_that_is_open(last: int, held: set[int]) -> None:
    outgoing = _outgoing()
    for txn in held:
        outgoing.add(Cause(Packet(type=PacketType.STATE_GET, txn=txn)))
    outgoing._last = last
    given_out = [outgoing.number() for _ in range(100)]
    assert not held.intersection(given_out)
    assert all(1 <= txn <= U16 for txn in given_out)
    assert len(set(given_out)) == 100


@given(first=st.integers(U16 - 2 * STORED, U16), count=st.integers(1, 3 * STORED))
def test_the_last_responses_are_kept_across_the_wrap_and_no_older_ones(first: int, count: int) -> None:
    incoming = Incoming(Clock(), SECOND, lambda _txn, _left, _percent: None)
    keys = [((first + n - 1) % U16 + 1, int(PacketType.STATE_GET)) for n in range(count)]
    for number, key in enumerate(keys):
        incoming.store(key, number.to_bytes(2))
    assert list(incoming.stored) == keys[-STORED:]
    assert all(incoming.stored[key] == n.to_bytes(2) for n, key in list(enumerate(keys))[-STORED:])


@settings(max_examples=8, deadline=None)
@given(phone=st.integers(U16 - 4, U16), module=st.integers(U16 - 4, U16))
def test_a_session_goes_on_while_transaction_numbers_go_round(phone: int, module: int) -> None:
    pair = Pair()
    pair.phone.outgoing._last, pair.near.outgoing._last = phone, module
    pair.known()
    pair.phone.user.open(SMALL)
    assert pair.run_until(lambda: len(pair.frames) >= 2, pair.now + SECOND), pair.phone.complaints
    for side, begun in ((pair.phone, phone), (pair.near, module)):
        asked = [p.txn for role, p in pair.heard if role is side.role and p.txn and not p.rsp]
        assert asked == [(begun + n) % U16 + 1 for n in range(len(asked))]
        assert 1 in asked
        for what in (CounterId.STRAY_RESPONSES, CounterId.DUPLICATES, CounterId.UNANSWERED):
            assert not side.counters.count(what), what
    assert not pair.phone.complaints


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def _filmed(number: int, every: int) -> tuple[list[tuple[int, int]], list[Packet]]:
    """The first frames behind a number, as how far behind it they are and what they lack, and what was asked again."""
    pair = Pair(every).known()
    pair.near.part(Exposures).number = number
    pair.phone.user.open(SMALL)
    assert pair.run_until(lambda: len(pair.frames) >= 6, pair.now + SECOND), pair.phone.complaints
    assert not pair.phone.complaints
    frames = [(f.leader.frame - number, sum(r.count for r in f.missing)) for f in pair.frames]
    return frames, pair.of(PacketType.BLOCK_NAK, Role.PHONE)


@pytest.mark.parametrize("every", [0, 53])
@pytest.mark.parametrize("number", [U32 - 3, U32 - 1, (7 << 32) - 2])
def test_frames_and_their_repair_go_on_where_the_low_half_of_their_number_goes_round(number: int, every: int) -> None:
    frames, asked = _filmed(number, every)
    usual, as_often = _filmed(100, every)
    assert frames == usual
    assert [place for place, _ in frames] == [1, 2, 3, 4, 5, 6]
    assert any(not missing for _, missing in frames)
    assert len(asked) == len(as_often)
    assert bool(asked) is bool(every)


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


def test_offers_and_contracts_are_agreed_on_while_their_numbers_go_round() -> None:
    pair = Pair().known()
    pair.run(pair.now + 500 * MS)
    pair.phone.supply._generation, pair.phone.supply._contracts = U8 - 3, U16 - 3
    dice = random.Random(1)
    for _ in range(12):
        pair.phone.supply.budget(dice.choice([3000, 5000, 7500, 10_000]))
        pair.phone.settle()
        pair.run(pair.now + 400 * MS)
        assert (pair.phone.runs["POWER"].state, pair.near.runs["POWER"].state) in {
            ("CONTRACT", "CONTRACT"),
            ("LIMITED", "LIMITED"),
        }
        assert pair.near.supply.contract is not None
        assert pair.phone.supply.contract is not None
        assert pair.near.supply.contract.power == pair.phone.supply.contract.power
    assert pair.phone.supply._generation < U8 - 3
    assert pair.phone.supply._contracts < U16 - 3
    assert not pair.of(PacketType.PWR_RESET, Role.PHONE)
    assert not [p for p in (q for _, q in pair.heard) if p.type is PacketType.PWR_REQUEST and p.rsp and p.status]


# ── Pulses and sessions ──────────────────────────────────────────────────────────────────────────────


def test_pulses_go_round_and_keep_the_session() -> None:
    pair = Pair(profile="macro-tube").known()
    session = pair.phone.contact.session
    pair.phone.contact._pulses = pair.near.session._pulses = U32 - 2
    before = len(pair.heard)
    pair.run(pair.now + 2 * SECOND)
    for role in (Role.PHONE, Role.MODULE):
        pulses = [p for who, p in pair.heard[before:] if who is role and p.type is PacketType.KEEPALIVE and not p.rsp]
        assert [p.body.seq for p in pulses[:4]] == [U32 - 1, U32, 0, 1]
    assert pair.near.session.number == pair.phone.contact.session == session != 0


@given(first=st.integers(U32 - 4, U32), sessions=st.integers(0, 8))
def test_a_session_is_never_number_0_which_stands_for_none(first: int, sessions: int) -> None:
    session = Module("macro-tube").session
    session._first, session._sessions = first, sessions
    before = session.number
    hello = Packet(type=PacketType.HELLO, txn=1, body=_Greeting())
    session.do_new_session(Cause(hello))
    assert 1 <= session.number <= U32
    assert session.number != before


class _Greeting:
    phone_nonce = 5
