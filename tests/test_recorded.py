"""A campaign run again against its tape: the same campaign from nothing but what crossed the bench."""

import gzip
import io
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.conformance.bundle.results import Campaign
from opalink.conformance.campaign import certify
from opalink.conformance.runner import Options
from opalink.conformance.sealed import tape as tapes
from opalink.conformance.sealed.order import order_of
from opalink.conformance.sealed.recorded import PIECE, NotReproducible, Recorder, Taped, replayed
from opalink.conformance.sealed.tape import Kind, Tape, TapeError, Turn, playing, recording, turns
from opalink.conformance.verdicts import Verdict
from opalink.conformance.zoo.roster import members
from opalink.protocol.capture.blocks import ENHANCED
from opalink.protocol.transport import Channel

OPTIONS = Options(plane="packet", patience=60, selection="MOD/WIRE/ORDER/BI")
GOOD = "py:opalink.protocol.engine.module:Module"
BAD = members()["CrashOnError"].uri


@cache
def taped(uri: str, options: Options = OPTIONS) -> tuple[list[Turn], Campaign]:
    stream = io.BytesIO()
    campaign = certify(Taped.onto(Tape(stream), uri), options)
    stream.seek(0)
    return list(turns(stream)), campaign


def again(tape: Sequence[Turn], options: Options = OPTIONS, uri: str = GOOD) -> Campaign:
    return replayed(iter(tape), order_of(uri, options))


# ── A campaign again ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("uri", [GOOD, BAD])
def test_all_of_a_campaign_is_derived_again_from_what_crossed_the_bench(uri: str) -> None:
    tape, campaign = taped(uri)
    assert again(tape, uri=uri) == campaign


def test_a_test_that_binds_in_real_time_is_derived_again_too() -> None:
    """How often it waited is the host's business, how long is the test's."""
    options = structs.replace(OPTIONS, selection="MOD/BEN/CLOCK")
    tape, campaign = taped("sim:macro-tube", options)
    assert "MOD/BEN/CLOCK/BV-real" in {r.id for r in campaign.results if r.verdict is Verdict.PASS}
    for _ in range(3):
        assert again(tape, options, "sim:macro-tube").results == campaign.results


def test_the_bad_one_is_failed_and_the_good_one_is_not() -> None:
    assert taped(GOOD)[1].summary["fail"] == 0
    failed = next(r for r in taped(BAD)[1].results if r.verdict is Verdict.FAIL)
    assert "assertion failed: unreachable" in failed.actual  # what it wrote to stderr is on the tape, too


def test_another_nonce_is_another_exchange_and_the_same_verdicts() -> None:
    options = structs.replace(OPTIONS, nonce="0123456789abcdef")
    (tape, plain), (other, lab) = taped(GOOD), taped(GOOD, options)
    assert [r.verdict for r in plain.results] == [r.verdict for r in lab.results]
    assert not {r.seed for r in plain.results} & {r.seed for r in lab.results}
    assert again(other, options) == lab
    with pytest.raises(NotReproducible, match="the tester sends other bytes"):
        again(tape, options)


# ── What is not reproducible ─────────────────────────────────────────────────────────────────────────


@given(st.data())
@settings(max_examples=8, deadline=None)
def test_one_byte_that_the_tester_would_not_send_makes_a_tape_not_reproducible(data: st.DataObject) -> None:
    tape, _ = taped(GOOD)
    i = data.draw(st.sampled_from([i for i, t in enumerate(tape) if t.kind is Kind.SENT]))
    old = tape[i].data
    at = data.draw(st.integers(0, len(old) - 1))
    edited = old[:at] + bytes([old[at] ^ data.draw(st.integers(1, 255))]) + old[at + 1 :]
    with pytest.raises(NotReproducible, match=f"turn {i + 1}: the tester sends other bytes"):
        again([*tape[:i], Turn(Kind.SENT, edited), *tape[i + 1 :]])


@given(st.data())
@settings(max_examples=8, deadline=None)
def test_a_turn_taken_out_makes_a_tape_not_reproducible(data: st.DataObject) -> None:
    tape, _ = taped(GOOD)
    i = data.draw(st.integers(0, len(tape) - 1))
    with pytest.raises(NotReproducible):
        again([*tape[:i], *tape[i + 1 :]])


def test_a_test_too_many_or_too_few_is_not_reproducible() -> None:
    tape, _ = taped(GOOD)
    with pytest.raises(NotReproducible, match="the recording goes on"):
        again(tape, structs.replace(OPTIONS, selection="MOD/WIRE/ORDER/BI-crc_version"))
    with pytest.raises(NotReproducible, match="connection 1, turn"):
        again(tape, structs.replace(OPTIONS, selection="MOD/WIRE/ORDER/BI or MOD/WIRE/LANE"))


def test_a_tape_edited_to_hide_a_crash_does_not_pass() -> None:
    tape, campaign = taped(BAD)
    spared = [t for t in tape if t.kind is not Kind.CLOSED]
    assert [r.verdict for r in again(spared, uri=BAD).results] == [r.verdict for r in campaign.results]
    with pytest.raises(NotReproducible):
        again([t for t in spared if t.kind is not Kind.EVIDENCE], uri=BAD)


def test_a_connection_more_or_less_is_not_reproducible() -> None:
    tape, _ = taped(GOOD)
    with pytest.raises(NotReproducible, match="another connection"):
        again([*tape, *tape])
    with pytest.raises(NotReproducible, match="the tester connects, and the recording has ended"):
        again([])


# ── The tape ─────────────────────────────────────────────────────────────────────────────────────────

TURNS = st.one_of(
    st.builds(Turn, st.sampled_from([Kind.SENT, Kind.RECEIVED]), st.binary(max_size=300)),
    st.builds(
        lambda kind, text: Turn(kind, text.encode(errors="surrogatepass")),
        st.sampled_from([k for k in Kind if k not in (Kind.SENT, Kind.RECEIVED)]),
        st.text(st.characters(), max_size=50),
    ),
)


def written(taken: Sequence[Turn]) -> bytes:
    stream = io.BytesIO()
    tape = Tape(stream)
    for turn in taken:
        tape.add(turn.kind, turn.data)
    return stream.getvalue()


@cache
def sound() -> bytes:
    return written([Turn(Kind.OPENED), Turn(Kind.SENT, bytes(range(256))), Turn(Kind.CLOSED)])


@given(st.lists(TURNS, max_size=20))
def test_a_tape_says_what_was_taken_down(taken: list[Turn]) -> None:
    assert list(turns(io.BytesIO(written(taken)))) == taken


@given(st.data())
def test_whatever_is_on_a_tape_it_is_turns_or_one_sentence(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(sound()) - 1))
    hostile = sound()[:at] + data.draw(st.binary(max_size=8)) + sound()[at + data.draw(st.integers(0, 8)) :]
    said = ""
    try:
        list(turns(io.BytesIO(hostile)))
    except TapeError as error:
        said = str(error)
    assert not said or re.fullmatch("The tape (is damaged|cannot be read): .*[.]", said)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (struct.pack("<III", ENHANCED, 0xFFFFFFF0, 0), "it says that it has 4,294,967,280 bytes"),
        (struct.pack("<IIIIIIII", ENHANCED, 32, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 32), "what no turn says"),
        (struct.pack("<IIIIIIII", ENHANCED, 32, 9, 0, 0, 0, 0, 32), "what no turn says"),
        (struct.pack("<III", 0x0BAD, 12, 12), "not of the kind that stands here"),
    ],
)
def test_a_hostile_block_is_one_sentence(tmp_path: Path, block: bytes, why: str) -> None:
    (tmp_path / "t.gz").write_bytes(gzip.compress(written([Turn(Kind.OPENED)]) + block))
    with playing(tmp_path / "t.gz") as found, pytest.raises(TapeError, match=why):
        list(found)


@given(st.data())
def test_a_tape_that_is_cut_off_is_no_whole_tape(data: st.DataObject) -> None:
    packed = gzip.compress(sound(), mtime=0)
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]
    with gzip.open(io.BytesIO(cut)) as stream, pytest.raises(TapeError, match="cannot be read"):
        list(turns(stream))  # type: ignore[arg-type] # typeshed: GzipFile is no BinaryIO


def test_what_comes_at_once_and_is_long_is_several_turns() -> None:
    class Burst(Channel):
        def send(self, data: bytes) -> None:
            """Nobody hears it."""

        def receive(self, timeout: float | None) -> bytes:  # noqa: ARG002
            return bytes(PIECE * 2 + 1)

        def alive(self) -> bool:
            return True

        def close(self) -> None:
            """There is nothing to close."""

    stream = io.BytesIO()
    recorder = Recorder(Burst(), Tape(stream))
    assert [len(recorder.receive(1) or b"") for _ in range(3)] == [PIECE, PIECE, 1]
    stream.seek(0)
    assert [len(t.data) for t in turns(stream)] == [PIECE, PIECE, 1]


def test_wireshark_opens_a_tape_as_it_is(tmp_path: Path) -> None:
    capinfos = shutil.which("capinfos")
    if capinfos is None:
        pytest.skip("capinfos is not installed")
    file = tmp_path / "tape.pcapng.gz"
    with recording(file) as tape:
        for turn in taped(GOOD)[0]:
            tape.add(turn.kind, turn.data)
    told = subprocess.run([capinfos, file], capture_output=True, text=True, check=True).stdout
    assert f"Number of packets:   {len(taped(GOOD)[0])}" in told
    assert tapes.LINKTYPE_BENCH == 149
    assert "USER 2" in told
