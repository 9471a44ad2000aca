"""What an answer breaks in every state that is still possible, and that nothing else is a failure.

Plan: an exchange · the states still possible · pieces · planted faults.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.conformance.offline.judge import Outcome
from opalink.conformance.offline.possible import Exchange, Possible
from opalink.conformance.zoo.specimen import RSP, STATUS, TXN, TYPE
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    Lane,
    MachineId,
    MachineReport,
    PacketType,
    Refusal,
    StateGetResponse,
)
from opalink.spec.form import MS, SECOND, US, Role
from tests.judged import Row, judged, piece, session

# ── An exchange ──────────────────────────────────────────────────────────────────────────────────────

CAPTURE = [s.name for m in catalogue().machines if (m.name, m.role) == ("CAPTURE", Role.MODULE) for s in m.states]


def first(rows: Sequence[Row], kind: PacketType, *, response: bool) -> int:
    """Where a packet of a type is first said."""
    return next(i for i, row in enumerate(rows) if row[3][TYPE] == kind and bool(row[3][0] & RSP) is response)


def answered(rows: Sequence[Row], kind: PacketType, status: Status) -> tuple[int, list[Row]]:
    """A session in which the first response of a type has another status, and where that is."""
    at = first(rows, kind, response=True)
    packet = codec.decode(rows[at][3])
    body = packet.body if status is Status.OK else Refusal()
    said = codec.encode(structs.replace(packet, status=status, body=body))
    return at, [*rows[:at], (*rows[at][:3], said), *rows[at + 1 :]]


# ── The states still possible ────────────────────────────────────────────────────────────────────────

MODULE = Possible(catalogue(), Role.MODULE)
VISITS = st.lists(st.tuples(st.integers(1, SECOND), st.integers(0, len(CAPTURE) - 1)), min_size=1, max_size=12)


@given(VISITS, st.data())
@settings(max_examples=150, deadline=None)
def test_where_a_machine_is_said_to_have_been_it_was(visits: list[tuple[int, int]], data: st.DataObject) -> None:
    """Whatever is missing, and if link time is set, or the module starts anew, once in between."""
    end = sum(span for span, _ in visits)
    at = data.draw(st.integers(0, end), label="answered")
    when = data.draw(st.integers(0, end), label="set")
    step = data.draw(st.sampled_from([0, 1, -1, 50 * US, -50 * US, MS, -MS, SECOND, -SECOND, -10 * SECOND]))

    def link(time: int) -> int:
        return max(0, 20 * SECOND + time + (step if time >= when else 0))

    begins, time = [], 0
    for span, state in visits:
        begins.append((time, state))
        time += span
    truth = next(CAPTURE[state] for begin, state in reversed(begins) if begin <= at)
    entered, state = begins[-1]
    told = StateGetResponse(machines=(MachineReport(machine=MachineId.CAPTURE, state=state, entered=link(entered)),))
    exchange = Exchange(b"", Lane.LASER, at, time=at, stamp=link(at))
    found = MODULE._places(told, exchange, link(end), end)
    assert found.get("CAPTURE", truth) == truth
    if not step and entered + MS + end // 500 < at:
        assert found == {"CAPTURE": truth}


@pytest.mark.parametrize("profile", ["four-thirds", "lens-adapter"])
def test_a_session_that_asks_where_the_machines_are_leaves_fewer_states_and_forbids_none_of_its_answers(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed: set[str] = set()
    forbidden = Possible.forbidden

    def noted(self: Possible, exchange: Exchange, fixed: dict[str, str]) -> object:
        narrowed.update(fixed)
        return forbidden(self, exchange, fixed)

    monkeypatch.setattr(Possible, "forbidden", noted)
    assert judged(session(profile, asking=True)).findings == []
    assert {"ATTACH", "POWER"} <= narrowed


def test_an_answer_by_laser_was_given_neither_detached_nor_booting() -> None:
    by_laser = MODULE.states("ATTACH", Exchange(b"", 0, 0, answer_lane=Lane.LASER), {})
    by_contacts = MODULE.states("ATTACH", Exchange(b"", 0, 0, answer_lane=Lane.SIDEBAND), {})
    assert set(by_contacts) - set(by_laser) == {"DETACHED", "BOOT"}


# ── Pieces ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("start", [0, 20, 40])
def test_nothing_is_a_failure_in_pieces_of_which_packets_are_missing(start: int) -> None:
    wrong = {n: found for n in range(start, start + 20) if (found := judged(piece(n)).findings)}
    assert wrong == {}


# ── Planted faults ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cut", [0, 3, 1000])
def test_a_complaint_about_fields_that_are_legal_is_a_failure_wherever_the_recording_begins(cut: int) -> None:
    at, rows = answered(session(), PacketType.FLUSH, Status.BAD_LENGTH)
    begin = min(cut, first(rows, PacketType.FLUSH, response=False))
    found = judged(rows[begin:])
    assert found.verdict is Outcome.FAIL
    assert found.cause is not None
    assert (found.cause.requirement, found.cause.number) == ("R-WIRE-020", at + 1 - begin)


def test_a_refusal_that_some_state_gives_is_none() -> None:
    _, rows = answered(session(), PacketType.FLUSH, Status.BAD_STATE)
    assert judged(rows).findings == []


def in_state(state: str, *, entered: int = 1) -> tuple[int, list[Row]]:
    """A session in which STATE_GET's answers say where CAPTURE has been since a link time, and FLUSH's response is."""
    rows = list(session(asking=True))
    for i, (time, role, lane, data) in enumerate(rows):
        if data[TYPE] == PacketType.STATE_GET and data[0] & RSP and not data[STATUS]:
            packet = codec.decode(data)
            machines = tuple(
                structs.replace(m, state=CAPTURE.index(state), entered=entered) if m.machine is MachineId.CAPTURE else m
                for m in packet.body.machines
            )
            body = structs.replace(packet.body, machines=machines)
            rows[i] = time, role, lane, codec.encode(structs.replace(packet, body=body))
    return first(rows, PacketType.FLUSH, response=True), rows


def test_what_is_taken_in_a_state_that_refuses_it_is_a_failure_and_named_where_it_was_taken() -> None:
    at, rows = in_state("UNCONFIGURED")
    asked = first(rows, PacketType.FLUSH, response=False)
    found = judged(rows[asked:])
    assert found.cause is not None
    assert (found.cause.requirement, found.cause.number) == ("R-WIRE-027", at + 1 - asked)
    assert "FLUSH" in found.cause.packet


def test_a_state_that_was_entered_later_says_nothing_of_what_was_before() -> None:
    _, rows = in_state("UNCONFIGURED", entered=1 << 62)
    assert judged(rows).findings == []


@pytest.mark.parametrize(("waited", "found"), [(50 * MS, 1), (51 * MS, 0)])
def test_an_answer_that_is_too_late_may_be_that_of_a_request_that_is_missing(waited: int, found: int) -> None:
    rows = session()
    asked, response = (rows[first(rows, PacketType.FLUSH, response=r)][3] for r in (False, True))
    packet = structs.replace(codec.decode(response), status=Status.BAD_LENGTH, body=Refusal())
    possible = Possible(catalogue(), Role.MODULE)
    possible.asked(asked, Lane.LASER, 0)
    assert len(list(possible.answered(packet, Lane.LASER, waited))) == found


def test_what_answers_a_number_that_stood_for_two_requests_is_not_judged() -> None:
    rows = session()
    asked = rows[first(rows, PacketType.FLUSH, response=False)][3]
    packet = Packet(
        rsp=1, type=PacketType.FLUSH, txn=int.from_bytes(asked[TXN : TXN + 2], "little"), status=Status.BAD_LENGTH
    )
    possible = Possible(catalogue(), Role.MODULE)
    flush = codec.decode(asked)
    for body in (flush.body, structs.replace(flush.body, mask=flush.body.mask ^ 2)):
        possible.asked(codec.encode(structs.replace(flush, body=body)), Lane.LASER, 0)
    assert list(possible.answered(packet, Lane.LASER, 1)) == []
