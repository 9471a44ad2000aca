"""The bundle, and recordings that open elsewhere.

Plan: recordings · as tshark sees them · damage · the bundle.
"""

import shutil
import subprocess
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.conformance.bundle import evidence, report
from opalink.conformance.bundle.results import Actor, Result, Step
from opalink.conformance.verdicts import Verdict
from opalink.protocol.capture.pcapng import (
    COMMENT_MAX,
    LINKTYPE_FLIT,
    LINKTYPE_PACKET,
    CaptureError,
    Interface,
    Recording,
    Writer,
    read,
)
from opalink.spec.form import MS
from tests.report_samples import ACCEPTED, FAILED, HOSTILE, PASSED, campaign, result, steps

FAILURE = FAILED.results[0]


def recorded(test: Result, plane: str = "packet") -> bytes:
    out = BytesIO()
    evidence.record(out, campaign(test, plane=plane), test)
    return out.getvalue()


def reread(test: Result) -> Recording:
    return read(BytesIO(recorded(test)))


# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────


def test_a_recording_has_every_byte_with_its_time_lane_and_direction() -> None:
    sent = [s for s in FAILURE.steps if s.data]
    packets = reread(FAILURE).packets
    assert [(p.time, p.data) for p in packets] == [(s.time, s.data) for s in sent]
    assert [p.interface.inbound for p in packets] == [s.actor is Actor.IUT for s in sent]
    assert [p.interface.name for p in packets] == [
        "laser from the tester",
        "laser from the IUT",
        "laser from the tester",
        "laser from the IUT",
        "sideband from the IUT",
    ]


@pytest.mark.parametrize(("plane", "link_type"), [("packet", LINKTYPE_PACKET), ("flit", LINKTYPE_FLIT)])
def test_the_link_type_says_what_it_carries(plane: str, link_type: int) -> None:
    packets = read(BytesIO(recorded(FAILURE, plane))).packets
    assert {p.interface.link_type for p in packets} == {link_type}


def test_the_file_says_what_was_at_stake_and_how_to_repeat_it() -> None:
    comments = reread(FAILURE).comments
    assert comments[0].startswith(FAILURE.charged[0] + ": The module MUST")
    assert "Verdict: FAIL" in comments
    assert f"Again: {report.replay(FAILED, FAILURE)}" in comments


def test_what_the_bench_did_goes_with_the_packet_that_followed_and_the_verdict_with_the_last() -> None:
    first, *_, last = reread(FAILURE).packets
    assert first.comments == (
        "0 ns, suite: Preamble: READY",
        "0 ns, bench: attach, quality 100 %",
        "12000000 ns, suite: Stimulus",
    )
    assert last.comments == ("23000000 ns, iut: an empty packet", "23000000 ns, suite: verdict fail")


def test_a_test_without_a_packet_keeps_its_notes() -> None:
    silent = result(Verdict.FAIL, steps=(Step(5, Actor.BENCH, note="attach"),))
    assert reread(silent).packets == ()
    assert "5 ns, bench: attach" in reread(silent).comments


def test_the_same_exchange_gives_the_same_bytes() -> None:
    assert recorded(FAILURE) == recorded(FAILURE)


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(min_size=1, max_size=70)), max_size=8),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
)
def test_whatever_is_written_is_read(packets: list[tuple[int, bytes]], comments: list[str]) -> None:
    interfaces = [Interface("a", LINKTYPE_PACKET, inbound=False), Interface("b", LINKTYPE_FLIT, inbound=True, doc="c")]
    out = BytesIO()
    writer = Writer(out, interfaces, comments, "test")
    for i, (time, data) in enumerate(packets):
        writer.write(i % 2, time, data, comments)
    got = read(BytesIO(out.getvalue()))
    assert (got.application, got.comments) == ("test", tuple(comments))
    assert [(p.interface, p.time, p.data, p.comments) for p in got.packets] == [
        (interfaces[i % 2], time, data, tuple(comments)) for i, (time, data) in enumerate(packets)
    ]


def test_a_comment_beyond_what_an_option_holds_is_cut() -> None:
    assert [len(c) for c in reread(result(Verdict.FAIL, reason="\U0001f4f7" * 70_000)).comments if c[0] == "V"] == [
        COMMENT_MAX
    ]


# ── As tshark sees them ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_sees_comments_interfaces_directions_and_nanoseconds(tmp_path: Path) -> None:
    path = tmp_path / "test.pcapng"
    path.write_bytes(recorded(FAILURE))
    fields = ("frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.len", "frame.comment")
    command = ["tshark", "-r", str(path), "-T", "fields", *(word for f in fields for word in ("-e", f))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    sent = [s for s in FAILURE.steps if s.data]
    assert [float(row[0]) for row in rows] == [s.time / 1e9 for s in sent]
    assert rows[1][0].startswith("0.01325")
    assert rows[1][1] == "laser from the IUT"
    assert [int(row[2], 16) for row in rows] == [1 if s.actor is Actor.IUT else 2 for s in sent]
    assert [int(row[3]) for row in rows] == [len(s.data) for s in sent]
    assert "attach, quality 100 %" in rows[0][4]
    assert rows[-1][4].endswith("verdict fail")


# ── Damage ───────────────────────────────────────────────────────────────────────────────────────────


@given(st.data())
def test_a_damaged_recording_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    good = bytearray(recorded(FAILURE))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    bad = bytes(good[: data.draw(st.integers(0, len(good)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(CaptureError):
            read(BytesIO(bad))


def test_what_is_no_recording_is_refused() -> None:
    with pytest.raises(CaptureError, match="not a recording"):
        read(BytesIO(b"GIF89a, twenty bytes or more"))


# ── The bundle ───────────────────────────────────────────────────────────────────────────────────────


def test_the_bundle_has_everything(tmp_path: Path) -> None:
    written = evidence.bundle(FAILED, tmp_path)
    names = {p.relative_to(tmp_path).as_posix() for p in written}
    assert names == {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {f"captures/{r.id}.pcapng" for r in FAILED.results if r.steps}
    assert names == {"report.json", "report.html", "junit.xml", "pics.toml", "environment.json"} | kept
    assert len(kept) == 4


def test_a_second_campaign_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    evidence.bundle(FAILED, tmp_path)
    evidence.bundle(PASSED, tmp_path)
    assert not list(tmp_path.rglob("*.pcapng"))


def test_two_bundles_of_one_campaign_are_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        evidence.bundle(FAILED, tmp_path / name)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.is_dir() or path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_hostile_text_stays_text_in_a_recording() -> None:
    loud = result(Verdict.FAIL, reason=HOSTILE, steps=steps(ACCEPTED))
    out = BytesIO()
    evidence.record(out, *((c := report.clean(campaign(loud))), c.results[0]))
    assert b"\x1b[" not in out.getvalue()
    assert f"Verdict: FAIL: {report.printable(HOSTILE)}" in read(BytesIO(out.getvalue())).comments


def test_times_are_those_of_the_bench() -> None:
    assert reread(FAILURE).packets[0].time == 12 * MS
