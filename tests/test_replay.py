"""Counterexamples: what is written is read again, what is none is one sentence, what is performed is what was done.

Plan: a counterexample · files · hostile files · performing · the command.
"""

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance.bundle import recording
from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.exploration.replay import Counterexample, NotACounterexample, perform, read, recorded, write
from opalink.conformance.exploration.session import Meeting, note_of, operation_of
from opalink.conformance.tester import preambles
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.capture import pcapng
from opalink.protocol.packets import Lane, OperationTag

CLEAN = "py:opalink.protocol.engine.module:Module"
FAULTY = "py:opalink.conformance.zoo.roster:Breaking"
KEEPALIVE = codec.encode(codec.request(p.Keepalive(seq=1), 7))

# ── A counterexample ─────────────────────────────────────────────────────────────────────────────────


@cache
def made() -> Counterexample:
    """A module that breaks when it must refuse something: contact, session, and a request with an unknown member."""
    with Meeting(FAULTY) as meeting:
        s = meeting.session
        with meeting.judged():
            s.begin(3)
            preambles.reach(s, "READY")
            s.look()
            bad = codec.request(p.Eject(phase=p.EjectPhase.PREPARE), s.next_txn())
            data = bytearray(codec.encode(structs.replace(bad, body=b"\xee" + bytes(8))))
            steps = s.steps
            s.say(bytes(data), s.lane(data[1]))
        finding = s.judge.findings[0]
    return Counterexample(
        "ATTACH",
        3,
        finding.requirement,
        finding.expected,
        finding.actual,
        FAULTY,
        True,
        recorded(steps),
        steps[-1].time,
    )


@st.composite
def counterexamples(draw: st.DrawFn) -> Counterexample:
    words = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40).map(
        lambda x: f"x{x.strip()}"
    )
    times = sorted(draw(st.lists(st.integers(0, 10**12), max_size=12)))
    lanes = st.sampled_from((Lane.SIDEBAND, Lane.LASER))
    rows: list[Step] = []
    for time in times:
        if draw(st.booleans()):
            down = p.LaneDownOperation(lane=draw(lanes))
            rows.append(Step(time, Actor.BENCH, note=note_of(OperationTag.LANE_DOWN, down)))
        else:
            actor = draw(st.sampled_from((Actor.TESTER, Actor.IUT)))
            rows.append(Step(time, actor, draw(lanes), KEEPALIVE + draw(st.binary(max_size=8))))
    end = max([*times, draw(st.integers(0, 10**12))])
    seed = draw(st.integers(0, (1 << 64) - 1))
    return Counterexample(
        "POWER", seed, draw(words), draw(words), draw(words), "sim:x", draw(st.booleans()), tuple(rows), end
    )


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────


@given(counterexamples())
@settings(max_examples=60)
def test_what_is_written_is_read_again(found: Counterexample) -> None:
    with TemporaryDirectory() as folder:
        path = write(found, Path(folder))
        assert read(path) == found
        assert path.name == f"POWER-{found.digest}.pcapng"


def test_an_operation_says_all_of_itself() -> None:
    value = p.RingOperation(control=3, delta=-20)
    assert operation_of(note_of(OperationTag.RING, value)) == (OperationTag.RING, value)
    assert operation_of("binds: a cold start with the contacts open") is None
    with pytest.raises(ValueError, match="no operation is called fly"):
        operation_of("operation fly 00")


@st.composite
def exchanges(draw: st.DrawFn) -> list[Step]:
    """Packets of both sides and notes of bench and suite, none of them like another."""
    times = sorted(draw(st.lists(st.integers(0, 10**12), max_size=8, unique=True)))
    lanes, sides = st.sampled_from((Lane.SIDEBAND, Lane.LASER)), st.sampled_from((Actor.TESTER, Actor.IUT))
    return [
        Step(t, draw(sides), draw(lanes), KEEPALIVE, draw(st.sampled_from(("", f"own {t}"))))
        if draw(st.booleans())
        else Step(t, draw(st.sampled_from((Actor.BENCH, Actor.SUITE))), note=f"note {t}")
        for t in times
    ]


@given(exchanges())
def test_every_packet_and_every_note_of_an_exchange_is_in_its_recording_once(steps: list[Step]) -> None:
    stream = io.BytesIO()
    recording.write(stream, steps, ["about"], then="then, ")
    stream.seek(0)
    found = pcapng.read(stream)
    packets = [s for s in steps if s.data]
    assert [(x.time, x.data, x.interface.inbound) for x in found.packets] == [
        (s.time, s.data, s.actor is Actor.IUT) for s in packets
    ]
    told = [c for x in (*found.packets, found) for c in x.comments]
    wanted = [s.note if s.data else f"{s.time} ns, {s.actor}: {s.note}" for s in steps if s.note]
    assert sorted(c.removeprefix("then, ") for c in told) == sorted([*wanted, "about"])
    late = {c for c in told if c.startswith("then, ")}
    last = max((s.time for s in packets), default=10**12)
    assert late == {f"then, {s.time} ns, {s.actor}: {s.note}" for s in steps if s.time > last}


# ── Hostile files ────────────────────────────────────────────────────────────────────────────────────


def _replay(path: Path, iut: str = CLEAN, *options: str) -> Result:
    return CliRunner().invoke(cli, ["replay", str(path), iut, *options])


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a recording")
    result = _replay(text)
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {text} is no counterexample: ")
    assert result.output.count("\n") == 1
    missing = _replay(tmp_path / "nix")
    assert (missing.exit_code, missing.output) == (5, f"Error: There is no {tmp_path / 'nix'}.\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"machine": ""}, None),
        ({"seed": 1 << 64}, "its times are out of order, or too long"),
        ({"end": 3_601 * 10**9}, "its times are out of order, or too long"),
        (
            {"rows": (Step(5, Actor.TESTER, Lane.LASER, KEEPALIVE), Step(1, Actor.TESTER, Lane.LASER, KEEPALIVE))},
            "order",
        ),
        ({"rows": (Step(5, Actor.TESTER, Lane.LASER, b"short"),)}, "packet 1 is too short for one"),
        ({"rows": (Step(5, Actor.BENCH, note="operation fly 00"),)}, "no operation is called fly"),
        ({"rows": (Step(5, Actor.BENCH, note="operation ring 00"),)}, "the operation ring cannot be read"),
    ],
)
def test_a_counterexample_that_cannot_be_performed_is_refused(
    change: dict[str, object], says: str | None, tmp_path: Path
) -> None:
    path = write(structs.replace(made(), **{"end": 10, "rows": (), **change}), tmp_path)  # type: ignore[arg-type]
    if says is None:
        assert read(path).machine == ""
    else:
        with pytest.raises(NotACounterexample, match=says):
            read(path)


@given(st.data())
@settings(max_examples=60)
def test_a_damaged_file_is_refused_or_read_and_never_breaks(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = write(made(), Path(folder))
        bytes_ = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes_[: data.draw(st.integers(0, len(bytes_)))])
        try:
            found = read(path)
        except NotACounterexample as why:
            assert str(path) in str(why)  # noqa: PT017  either way is right
        else:
            assert found.end <= 3_600 * 10**9


# ── Performing ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_performed_is_what_was_done() -> None:
    with Meeting(FAULTY) as meeting:
        again = perform(meeting, made())
        assert [str(f) for f in again] == [made().sentence]
        done = recorded(meeting.session.steps)
    for sides in ({Actor.TESTER, Actor.BENCH}, {Actor.IUT}):  # what comes at one moment may be heard sooner
        assert [r for r in done if r.actor in sides] == [r for r in made().rows if r.actor in sides]
    with Meeting(CLEAN) as meeting:
        assert perform(meeting, made()) == []


def test_it_is_performed_by_a_real_clock_too() -> None:
    with Meeting(FAULTY, clock="real") as meeting:
        assert made().requirement in {f.requirement for f in perform(meeting, made())}
    with Meeting(CLEAN, clock="real") as meeting:
        assert perform(meeting, made()) == []


def test_a_request_that_is_another_gets_the_phones_own_answer() -> None:
    """TIME_SYNC says the time, so by a real clock it is another request each time."""
    with Meeting(CLEAN) as meeting:
        s = meeting.session
        s.begin(3)
        preambles.reach(s, "READY")
        s.let(200_000_000)
        found = structs.replace(made(), rows=recorded(s.steps), end=s.now)
        shifted = tuple(
            structs.replace(r, data=r.data[:16] + bytes(8) + r.data[24:])
            if r.actor is Actor.IUT and r.data[1] == 0x50
            else r
            for r in found.rows
        )
        assert perform(meeting, structs.replace(found, rows=shifted)) == []
        answered = [x for x in s.steps if x.actor is Actor.TESTER and x.data[1] == 0x50]
        assert answered
        assert all(codec.decode(x.data).body.t1 for x in answered)


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_same_failure_is_said_with_the_same_sentence(tmp_path: Path) -> None:
    path = write(made(), tmp_path)
    failed = _replay(path, FAULTY)
    assert (failed.exit_code, failed.output) == (1, f"{made().sentence}\n")
    passed = _replay(path)
    assert (passed.exit_code, passed.output) == (0, "Nothing is wrong: what was recorded does not show.\n")


def test_another_failure_is_called_one(tmp_path: Path) -> None:
    path = write(structs.replace(made(), actual="something else"), tmp_path)
    failed = _replay(path, FAULTY)
    assert failed.exit_code == 1
    assert failed.output == f"Another failure than the recorded one: {made().sentence}\n"
