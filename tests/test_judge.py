"""What is said of a recorded session: of one that is right, whole or in pieces, and of one in which something is wrong.

Plan: right ones · pieces of right ones · planted faults · live and offline · hostile files · the command.
"""

import io
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance.bundle.evidence import record
from opalink.conformance.bundle.results import Campaign, Result
from opalink.conformance.campaign import certify
from opalink.conformance.offline import judge as judging
from opalink.conformance.offline.judge import ALONE, HOLES, Judgement, Outcome, judge
from opalink.conformance.offline.packets import Packets
from opalink.conformance.papers import pics
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.tester.flit_bench import by_hand
from opalink.conformance.verdicts import Verdict
from opalink.conformance.zoo import roster as zoo
from opalink.conformance.zoo.specimen import RSP, STATUS, TXN, TYPE, put
from opalink.protocol import codec
from opalink.protocol.capture.pcapng import (
    LINKTYPE_FLIT,
    Captured,
    CaptureError,
    Interface,
    Writer,
    read,
)
from opalink.protocol.flit.layout import NOWHERE
from opalink.protocol.flit.listening import HELD
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import FlitKind, FrameTrailer, Lane, PacketType, SeatStatus
from opalink.spec.form import Role
from opalink.spec.limits import FLIT_PAYLOAD
from tests.differential.tshark import MISSING, TSHARK, dissector
from tests.differential.tshark import said as said_by_tshark
from tests.judged import BOTH, Row, judged, recorded, session

# ── Right ones ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["four-thirds", "macro-tube", "zoom-flash"])
def test_nothing_is_wrong_with_a_session_of_our_phone_and_our_module(profile: str) -> None:
    found = judged(session(profile), complete=True)
    assert (found.verdict, found.findings, found.open, found.holes) == (Outcome.CLEAN, [], [], [])
    assert found.complete
    assert sum(found.packets.values()) == len(session(profile))
    assert {"R-WIRE-009", "R-WIRE-023"} <= set(found.kept["module"])


def test_what_was_seen_to_be_kept_does_not_depend_on_whether_the_recording_is_said_to_be_complete() -> None:
    assert judged(session()).kept == judged(session(), complete=True).kept


# ── Pieces of right ones ─────────────────────────────────────────────────────────────────────────────


@st.composite
def pieces(draw: st.DrawFn) -> list[Row]:
    """Cut, with holes, one-sided, put together, and in another order within one instant."""
    whole = session()
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted((draw(st.integers(0, len(whole))), draw(st.integers(0, len(whole)))))
        gone = draw(st.sets(st.integers(start, max(start, end - 1)), max_size=12))
        sides = draw(st.sampled_from([BOTH, BOTH, (Role.PHONE,), (Role.MODULE,)]))
        rows += [row for i, row in enumerate(whole[start:end], start) if i not in gone and row[1] in sides]
    for i in draw(st.lists(st.integers(0, max(0, len(rows) - 2)), max_size=12)):
        if len(rows) > 1 and rows[i][0] == rows[i + 1][0]:
            rows[i], rows[i + 1] = rows[i + 1], rows[i]
    return rows


@given(pieces())
@settings(max_examples=80, deadline=None)
def test_nothing_is_a_failure_in_any_piece_of_a_right_session(rows: list[Row]) -> None:
    found = judged(rows)
    assert found.findings == []
    assert (found.verdict is Outcome.NOTHING) is (not rows)


@given(st.integers(1, 60), st.sampled_from(BOTH))
@settings(max_examples=15, deadline=None)
def test_what_shows_that_something_is_missing_is_never_judged_as_complete(start: int, side: Role) -> None:
    one_sided = [row for row in session() if row[1] is side]
    for rows, lost in ((one_sided, 0), (session()[start:], 3), (session() + session()[start:], 0)):
        found = judged(rows, complete=True, lost=lost)
        assert found.findings == []
        assert not found.complete
        assert found.missing


# ── Planted faults ───────────────────────────────────────────────────────────────────────────────────


def place(kind: str, role: Role = Role.MODULE, *, response: bool = False) -> int:
    """Where a side first says something of a type."""
    wanted = PacketType[kind]
    return next(
        i for i, (_, by, _, data) in enumerate(session())
        if by is role and data[TYPE] == wanted and bool(data[0] & RSP) is response
    )  # fmt: skip


def planted(at: int, data: bytes, lane: Lane | None = None) -> list[Row]:
    rows = list(session())
    rows[at] = (*rows[at][:2], rows[at][2] if lane is None else lane, data)
    return rows


def said(at: int) -> bytes:
    return session()[at][3]


ALTERED = {
    "R-WIRE-011": ("HELLO", Role.PHONE, False, lambda d: put(d, 2, bytes([d[2] ^ 0x10]))),
    "R-WIRE-013": ("PWR_REQUEST", Role.MODULE, False, lambda d: put(d, 0, bytes([d[0] | 1]))),
    "R-WIRE-016": ("FRAME_LEADER", Role.MODULE, False, lambda d: put(d, STATUS, b"\x07")),
    "R-WIRE-017": ("FRAME_TRAILER", Role.MODULE, False, lambda d: put(d, TXN, b"\x07\x00")),
    "R-WIRE-019": ("EJECT", Role.MODULE, True, lambda d: put(d, STATUS, b"\xff")),
    "R-WIRE-024": ("PWR_SOURCE_CAPS", Role.PHONE, False, lambda d: d[:-1] + bytes([d[-1] ^ 1])),
    "R-WIRE-030": ("FRAME_TRAILER", Role.PHONE, False, lambda d: d),
    "R-WIRE-032": ("HELLO", Role.MODULE, True, lambda d: put(d, 0, bytes([d[0] | 2]))),
}


@pytest.mark.parametrize("complete", [False, True], ids=["as it is", "as complete"])
@pytest.mark.parametrize("requirement", ALTERED)
def test_a_packet_that_is_wrong_by_itself_is_named_with_its_number(requirement: str, complete: bool) -> None:
    kind, role, response, alter = ALTERED[requirement]
    if requirement == "R-WIRE-030":  # what a module says, said by the phone
        at = place(kind)
        rows = planted(at, said(at))
        rows[at] = (rows[at][0], role, *rows[at][2:])
    else:
        at = place(kind, role, response=response)
        rows = planted(at, alter(said(at)))
    found = judged(rows, complete=complete)
    assert found.verdict is Outcome.FAIL
    assert found.cause is not None
    assert found.cause.number == at + 1
    assert found.cause.filter.startswith(f"frame.number == {at + 1}")
    assert [(f.requirement, f.role) for f in found.findings if f.number == at + 1 and f.requirement == requirement] == [
        (requirement, role)
    ]


def test_a_packet_on_the_wrong_lane_is_named() -> None:
    at = place("FRAME_TRAILER")
    found = judged(planted(at, said(at), Lane.SIDEBAND))
    assert found.cause is not None
    assert (found.cause.requirement, found.cause.number) == ("R-WIRE-031", at + 1)


def test_a_field_out_of_its_range_is_named_with_the_field_for_wireshark() -> None:
    at = place("FRAME_TRAILER")
    packet = codec.decode(said(at))
    rows = planted(at, codec.encode(structs.replace(packet, body=structs.replace(packet.body, result=77))))
    found = judged(rows)
    broken = catalogue().by_key["FRAME_TRAILER.event.result.member.sent"].id
    (finding,) = [f for f in found.findings if f.requirement == broken]
    assert finding.number == at + 1
    assert finding.filter == f"frame.number == {at + 1} && opal.FRAME_TRAILER.event.result"


def wrong_crc() -> tuple[int, list[Row]]:
    """A trailer that gives another CRC than that of its frame's data."""
    at = place("FRAME_TRAILER")
    packet = codec.decode(said(at))
    assert isinstance(packet.body, FrameTrailer)
    body = structs.replace(packet.body, frame_crc=packet.body.frame_crc ^ 1)
    return at, planted(at, codec.encode(structs.replace(packet, body=body)))


def test_what_is_wrong_beside_other_packets_is_a_failure_where_nothing_is_missing_and_open_elsewhere() -> None:
    _, rows = wrong_crc()
    certain, doubtful = judged(rows, complete=True), judged(rows)
    assert [f.requirement for f in certain.findings] == ["R-FRM-005"]
    assert (doubtful.verdict, doubtful.findings) == (Outcome.OPEN, [])
    assert [f.requirement for f in doubtful.open] == ["R-FRM-005"]


def test_an_answer_without_its_request_is_a_hole_and_wrong_only_where_nothing_is_missing() -> None:
    at = place("HELLO", Role.PHONE)
    rows = [row for i, row in enumerate(session()) if i != at]
    assert [f.requirement for f in judged(rows, complete=True).findings] == ["R-WIRE-009"]
    found = judged(rows)
    assert (found.verdict, found.missing) == (Outcome.CLEAN, 1)


@pytest.mark.parametrize("tick", [1, 1_000_000, 7_000_000])
def test_an_answer_is_late_if_it_is_so_however_its_times_were_rounded(tick: int) -> None:
    limit = catalogue().timer["tResponse"].max or 0
    at = place("EJECT", response=True)
    rows = [(time // tick * tick, *rest) for time, *rest in session()[:at]]
    begun = rows[place("EJECT", Role.PHONE)][0]
    surely = limit // tick * tick + (tick if limit % tick == 0 else 2 * tick)
    for waited, requirements in ((surely - tick, []), (surely, ["R-WIRE-023"])):
        found = judged([*rows, (begun + waited, *session()[at][1:])], complete=True)
        assert [f.requirement for f in found.findings] == requirements, waited


def test_the_requirements_that_a_packet_breaks_by_itself_exist_and_are_judged_passively() -> None:
    known = catalogue().requirement
    assert not ALONE & HOLES
    assert {known[r].test for r in ALONE} == {"passive"}


@pytest.mark.skipif(TSHARK is None, reason=MISSING)
def test_wireshark_shows_with_the_filter_the_packet_and_nothing_else(tmp_path: Path) -> None:
    at, rows = wrong_crc()
    path = tmp_path / "session.pcapng"
    path.write_bytes(recorded(rows).getvalue())
    (finding,) = judged(rows, complete=True).findings
    shown = said_by_tshark(dissector(tmp_path), path, "-Y", finding.filter, "-T", "fields", "-e", "frame.number")
    assert shown.split() == [str(at + 1)]


# ── Live and offline ─────────────────────────────────────────────────────────────────────────────────


def offline(campaign: Campaign, result: Result, *, complete: bool = True) -> Judgement:
    """What is said of the recording of a test."""
    role, stream = Role(campaign.role), io.BytesIO()
    record(stream, campaign, result)
    stream.seek(0)
    declared = {role: pics.read(campaign.pics, catalogue()).declared}
    return judge(stream, catalogue(), (role,), complete=complete, features=declared, iut=role)


@pytest.mark.parametrize(
    ("name", "selection"),
    [
        ("Usurper", ""), ("Misplacing", ""), ("Fragmenting", ""), ("Damaged", "EJECT/BI"), ("Late", "EJECT/BI"),
        ("OtherTransaction", "EJECT/BI"), ("ReservedSet", "EJECT/BI"), ("Shuffling", "FRM/FRAME"),
    ],
)  # fmt: skip
def test_the_monitors_say_of_a_recording_what_they_said_live(name: str, selection: str) -> None:
    member = zoo.members()[name]
    options = Options(plan=Plan.CI, selection=selection or member.selection, patience=3, keep=True)
    campaign = certify(member.uri, options)
    by_monitor = [r for r in campaign.results if r.reason == "A monitor saw it in passing."]
    for result in by_monitor:
        assert {f.requirement for f in offline(campaign, result).findings} == set(result.charged), result.id
    passed = [r for r in campaign.results if r.verdict is Verdict.PASS]
    for result in passed:
        assert offline(campaign, result).findings == [], result.id
    assert by_monitor or passed


def test_what_travelled_in_flits_is_judged_as_what_travelled_in_packets() -> None:
    campaign = certify("sim:four-thirds", Options(plan=Plan.CI, selection="FLT/ORDER", plane="flit", keep=True))
    passed = [r for r in campaign.results if r.verdict is Verdict.PASS]
    found = [offline(campaign, result, complete=False) for result in passed]
    assert [f for j in found for f in j.findings] == []
    assert sum(sum(j.packets.values()) for j in found) > 10 * len(passed)


@cache
def in_flits() -> tuple[Captured, ...]:
    """What travelled in the longest of some tests on the plane of FLITs."""
    campaign = certify("sim:four-thirds", Options(plan=Plan.CI, selection="FLT/ORDER", plane="flit", keep=True))
    stream = io.BytesIO()
    record(stream, campaign, max(campaign.results, key=lambda r: len(r.steps) if r.verdict is Verdict.PASS else 0))
    stream.seek(0)
    return read(stream).packets


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_no_flit_that_is_missing_makes_a_failure(data: st.DataObject) -> None:
    whole = in_flits()
    gone = data.draw(st.sets(st.integers(0, len(whole) - 1), max_size=len(whole) // 2))
    rows = [c for i, c in enumerate(whole) if i not in gone]
    places, stream = list(dict.fromkeys(c.interface for c in whole)), io.BytesIO()
    writer = Writer(stream, places)
    for captured in rows:
        writer.write(places.index(captured.interface), captured.time, captured.data)
    stream.seek(0)
    found = judge(stream, catalogue())
    assert found.findings == []
    assert found.captured == len(rows)


def test_a_packet_is_given_up_where_flits_of_it_never_come() -> None:
    inside = {"first_off": NOWHERE, "vc": 8}
    head = codec.encode(codec.Packet(type=PacketType.VENDOR, vc=8, txn=1, body=bytes(3 * FLIT_PAYLOAD - 20)))
    flits = [by_hand(head[:FLIT_PAYLOAD], kind=FlitKind.DATA, vc=8)]
    flits += [by_hand(b"\x01" * FLIT_PAYLOAD, kind=FlitKind.DATA, seq=HELD + n, **inside) for n in (1, 2, 3)]
    whole = codec.encode(codec.event(SeatStatus()))
    flits.append(by_hand(whole, kind=FlitKind.DATA, seq=HELD + 4, vc=whole[2] >> 4))
    stream = io.BytesIO()
    writer = Writer(stream, [Interface.of("laser", "module", LINKTYPE_FLIT)])
    for time, flit in enumerate(flits):
        writer.write(0, time, flit)
    stream.seek(0)
    (seen,) = Packets(stream, catalogue())
    assert (seen.data, seen.number, seen.hole) == (whole, 5, "FLITs are missing")


# ── Hostile files ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("junk", [b"", b"OPAL", b"\xd4\xc3\xb2\xa1" + bytes(20)], ids=["empty", "text", "pcap"])
def test_what_is_no_recording_is_refused(junk: bytes) -> None:
    if junk:
        with pytest.raises(CaptureError):
            judge(io.BytesIO(junk), catalogue())
    else:
        assert judge(io.BytesIO(junk), catalogue()).verdict is Outcome.NOTHING


@given(st.integers(0, 3000), st.binary(max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_recording_that_is_cut_off_or_overwritten_is_no_failure_of_who_was_recorded(at: int, junk: bytes) -> None:
    whole = recorded(session()[:40]).getvalue()
    assert judge(io.BytesIO(whole[: at + 28]), catalogue()).findings == []
    overwritten = whole[: at + 200] + b"\x06\0\0\0\xff\xff\xff\xff" + junk + whole[at + 300 :]
    found = judge(io.BytesIO(overwritten), catalogue())
    # What leaves every block of the file whole, as where it takes out the size of one, none can tell from a recording.
    assert found.findings == [] or not found.holes
    assert sum(found.packets.values()) <= 40


def test_what_is_remembered_is_bounded_and_what_needs_more_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MEMORY", 100_000)
    _, rows = wrong_crc()
    found = judged(rows, complete=True)
    assert found.findings == []
    assert not found.complete
    assert any("not remembered" in hole for hole in found.holes)


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def run(tmp_path: Path, rows: Sequence[Row], *options: str) -> tuple[int, str]:
    path = tmp_path / "session.pcapng"
    path.write_bytes(recorded(rows).getvalue())
    told = CliRunner().invoke(cli, ["judge", str(path), *options], catch_exceptions=True)
    return told.exit_code, told.output


def test_the_first_screen_names_the_earliest_cause_with_what_shows_it_in_wireshark(tmp_path: Path) -> None:
    at, rows = wrong_crc()
    code, text = run(tmp_path, rows, "--complete")
    assert code == 1
    assert text.startswith("FAIL")
    assert catalogue().requirement["R-FRM-005"].text in text
    assert f"the module, frame {at + 1:,} at " in text
    assert f"in Wireshark: frame.number == {at + 1} && opal.FRAME_TRAILER.event\n" in text


def test_the_exit_code_says_what_it_comes_to(tmp_path: Path) -> None:
    _, rows = wrong_crc()
    assert run(tmp_path, session())[0] == 0
    assert run(tmp_path, rows)[0] == 3
    assert run(tmp_path, [])[0] == 5
    assert run(tmp_path, [r for r in session() if r[1] is Role.PHONE], "--role", "module")[0] == 5


def test_a_recording_that_breaks_off_is_said_to(tmp_path: Path) -> None:
    path = tmp_path / "session.pcapng"
    path.write_bytes(recorded(session()).getvalue()[:100_001])
    told = CliRunner().invoke(cli, ["judge", "--complete", f"capture:{path}"])
    assert told.exit_code == 0, told.output
    assert "judged as complete" not in told.output
    assert "missing, as far as it shows (1 times):" in told.output


def test_machines_read_the_same(tmp_path: Path) -> None:
    code, text = run(tmp_path, session(), "--json")
    told = json.loads(text)
    assert code == 0
    assert told["verdict"] == "nothing wrong seen"
    assert told["cause"] is None
    assert told["kept"]["module"]["R-WIRE-024"] == told["packets"]["module"]


@pytest.mark.parametrize(("name", "code"), [("nowhere.pcapng", 5), (".", 5), ("junk", 2)])
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "junk").write_bytes(b"no recording at all")
    told = CliRunner().invoke(cli, ["judge", str(tmp_path / name)])
    assert told.exit_code == code, told.output
    assert len(told.output.strip().splitlines()) == 1
    assert "Traceback" not in told.output
