"""The FLIT plane: what a module does when it does the link layer itself, and what the suite says of that.

Plan: the plane · the lanes · what the suite says · the watch · evidence.
"""

from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance.bundle import evidence
from opalink.conformance.bundle.results import Campaign
from opalink.conformance.campaign import certify
from opalink.conformance.purposes import Plan, unmet
from opalink.conformance.runner import Options
from opalink.conformance.selection import purposes
from opalink.conformance.tester import flit_watch
from opalink.conformance.tester.flit_bench import FlitBench, by_hand
from opalink.conformance.tester.flit_watch import FlitWatch, Granted, Reading, ahead
from opalink.conformance.tester.ledger import Ledger
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.zoo import roster as zoo
from opalink.protocol import codec
from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, read
from opalink.protocol.codec import DecodeError, Sideband, encode_sideband
from opalink.protocol.engine.lanes import Lanes
from opalink.protocol.engine.module import Module
from opalink.protocol.flit import End, least, parameters
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    AttachOperation,
    CounterId,
    FlitKind,
    Keepalive,
    Lane,
    OperationTag,
    Plane,
    ResetKind,
    StateGet,
    Tlv,
)
from opalink.protocol.transport import Bench, NotOffered
from opalink.spec.form import MS, Role
from opalink.spec.limits import FLIT_BYTES, FLIT_PAYLOAD
from tests.flit_wire import flits

MODULE = "py:opalink.protocol.engine.module:Module"

# ── The plane ────────────────────────────────────────────────────────────────────────────────────────


def test_a_module_offers_both_planes_and_the_tester_chooses() -> None:
    for plane in ("packet", "flit"):
        with Bench.open(MODULE, plane=plane) as bench:
            assert bench.peer.planes == Plane.PACKET | Plane.FLIT
            bench.control(OperationTag.ATTACH, AttachOperation())
            beacon = bench.expect(lambda _: True, 250 * MS)
            assert beacon is not None
            record = codec.decode_sideband(beacon.data).payload if plane == "flit" else beacon.data
            assert codec.decode(bytes(record)).type == 1


def test_a_bench_changes_its_plane_with_the_next_binding_and_only_to_one_that_is_offered() -> None:
    with Bench.open(MODULE) as bench:
        bench.use("flit")
        bench.bind()
        bench.control(OperationTag.ATTACH, AttachOperation())
        beacon = bench.expect(lambda _: True, 250 * MS)
        assert beacon is not None
        assert codec.decode_sideband(beacon.data).payload
    with Bench.open("py:tests.transport_puppet:Puppet") as bench, pytest.raises(NotOffered, match="FLIT"):
        bench.use("flit")


# ── The lanes ────────────────────────────────────────────────────────────────────────────────────────


def attached() -> tuple[Module, Lanes]:
    module = Module()
    lanes = Lanes(module)
    lanes.reset(ResetKind.COLD, 1, 0)
    lanes.operate(Tlv(OperationTag.ATTACH, AttachOperation()), 0)
    lanes.advance(250 * MS)
    lanes.outbox()
    return module, lanes


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([Lane.SIDEBAND, Lane.LASER]), st.binary(max_size=700))
def test_whatever_a_lane_brings_the_module_goes_on(lane: Lane, data: bytes) -> None:
    _, lanes = attached()
    lanes.receive(lane, data, 250 * MS)
    lanes.outbox()
    request = codec.encode(codec.request(StateGet(), 7))
    lanes.receive(Lane.SIDEBAND, encode_sideband(Sideband(payload=request)), 250 * MS)
    (answer,) = [d for d in lanes.outbox() if codec.decode(bytes(codec.decode_sideband(d.data).payload)).rsp]
    assert codec.decode(bytes(codec.decode_sideband(answer.data).payload)).txn == 7


def test_a_damaged_sideband_record_is_counted_as_a_packet_of_a_wrong_crc() -> None:
    module, lanes = attached()
    before = module.counters.count(CounterId.BAD_CRC)
    record = encode_sideband(Sideband(payload=codec.encode(codec.request(StateGet(), 7))))
    lanes.receive(Lane.SIDEBAND, record[:-1] + bytes([record[-1] ^ 1]), 250 * MS)
    assert lanes.outbox() == []
    assert module.counters.count(CounterId.BAD_CRC) == before + 1


def test_without_a_laser_there_is_no_flit_layer_and_the_sideband_works() -> None:
    module = Module("macro-tube")
    lanes = Lanes(module)
    lanes.reset(ResetKind.COLD, 1, 0)
    lanes.operate(Tlv(OperationTag.ATTACH, AttachOperation()), 0)
    lanes.advance(250 * MS)
    assert module.flits is None
    assert {d.lane for d in lanes.outbox()} == {Lane.SIDEBAND}
    lanes.receive(Lane.LASER, bytes(FLIT_BYTES), 250 * MS)
    assert lanes.outbox() == []


# ── What the suite says ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["four-thirds", "macro-tube", "standalone"])
def test_the_flit_chapter_passes_on_the_reference(profile: str) -> None:
    campaign = certify(f"sim:{profile}", Options(plan=Plan.QUICK, selection="MOD/FLT"))
    assert campaign.verdict is Conclusion.CONFORMANT, [r for r in campaign.results if r.verdict is Verdict.FAIL]


def test_more_than_three_thousand_generated_cases_are_run_by_default() -> None:
    made = purposes(Role.MODULE)
    assert len(made) == len({p.id for p in made})
    generated = [p for p in made if not isinstance(p.run, str)]
    features = Module().features
    assert sum(unmet(p.needs, features) is None for p in generated) > 3000
    planes = Counter(p.planes for p in generated)
    assert planes["flit",] > 1000


def test_every_requirement_of_the_flit_layer_has_an_implementation_in_the_zoo_that_breaks_it() -> None:
    broken = {cause for member in zoo.of_role(Role.MODULE).values() for cause in member.causes}
    ours = {r.id for r in catalogue().requirements if r.id.startswith("R-FLT-") and r.role is not Role.PHONE}
    assert ours - broken == set()


# A FLIT under a wrong number, parity or CRC, or taken although it has one, is wrong in the books, and what follows from
# that is charged too.
FOLLOWED = ("RepeatsNumbers", "WrongParity", "WrongFlitCrc", "TrustsCrc", "MendsFields", "TakesAnyEpoch")
BREAKING = [m for m in zoo.members().values() if "MOD/FLT" in m.selection and m.causes]


@pytest.mark.parametrize("member", BREAKING, ids=lambda member: member.name)
def test_what_breaks_one_rule_of_the_flit_layer_is_charged_with_no_other(member: zoo.Member) -> None:
    results = certify(member.uri, Options(plan=member.plan, selection=member.selection)).results
    charged = {id_ for r in results if r.verdict is Verdict.FAIL for id_ in r.charged or r.requirements}
    assert charged > set(member.causes) if member.name in FOLLOWED else charged == set(member.causes)


def test_every_requirement_of_the_flit_layer_is_cited_or_watched() -> None:
    cited = {r for p in purposes(Role.MODULE) for r in p.requirements}
    source = Path(flit_watch.__file__).read_text()
    for r in catalogue().requirements:
        if r.id.startswith("R-FLT") and r.role is not Role.PHONE:
            assert r.id in cited or r.id in source, r.id


# ── The watch ────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 0xFFFF), st.integers(-0x8000, 0x7FFF))
def test_distances_are_those_of_sixteen_bits(number: int, distance: int) -> None:
    assert ahead(number + distance & 0xFFFF, number) == distance


@given(st.lists(st.integers(0, 30_000), max_size=8))
def test_credit_never_goes_back(steps: list[int]) -> None:
    books, total = Granted(16), 16
    for step in steps:
        total += step
        books.grant(total & 0xFFFF)
        books.grant(total - 1 & 0xFFFF)  # old news
        assert books.granted == total


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2500), min_size=1, max_size=12), st.integers(2, 9))
def test_the_watch_finds_nothing_wrong_with_the_bundled_flit_layer(sizes: list[int], every: int) -> None:
    """Whatever it sends, and whichever FLITs are lost on the way to the tester."""
    ledger = Ledger(catalogue(), Role.MODULE)
    ledger.begin()
    watch, module, tester = FlitWatch(ledger), End(), End()
    ours = theirs = parameters(2, depth=64)
    for end in (module, tester):
        end.begin(ours, theirs)
    watch.begin(ours, theirs)
    for number, size in enumerate(sizes):
        body = Keepalive(extensions=(Tlv(0x7F01, bytes(size)),))
        module.put(codec.encode(codec.request(body, number + 1)))
    got = count = 0
    for now in range(0, 4_000_000, 5_000):
        for flit in flits(module.take(now, 16)):
            watch.came(flit)
            count += 1
            if count % every:
                got += len(tester.receive(now, flit))
        for flit in flits(tester.take(now, 16)):
            watch.sent(flit)
            module.receive(now, flit)
    assert ledger.violations == []
    assert got == len(sizes)


@given(st.lists(st.integers(20, 1800), min_size=1, max_size=10))
def test_packets_are_read_off_payloads_wherever_they_begin(sizes: list[int]) -> None:
    end = End()
    end.begin(parameters(2), parameters(2))
    for number, size in enumerate(sizes):
        head = bytes([0x10, 0x60, 0x30, 0]) + (size - 20).to_bytes(2, "little") + number.to_bytes(2, "little")
        end.put(head + b"\xee" * (size - 8))
    reading, starts = Reading(), 0
    for data in flits(end.take(0, 100)):
        flit = codec.decode_flit(data)
        first, heads, clean = reading.read(bytes(flit.payload))
        assert (first, clean) == (flit.first_off, True)
        starts += len(heads)
    assert starts == len(sizes)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"seq": 5}, "R-FLT-010"),
        ({"epoch": 1}, "R-FLT-051"),
        ({"vc": 14}, "R-FLT-040"),
        ({"ack": 1, "ack_seq": 3}, "R-FLT-019"),
        ({"credit_vc": 3, "credit_cum": 5000}, "R-FLT-042"),
        ({"kind": FlitKind.IDLE, "seq": 1}, "R-FLT-011"),
        ({"kind": FlitKind.REPLAY}, "R-FLT-012"),
        ({"first_off": 4}, "R-FLT-031"),
        ({"payload": b"\0\0\1"}, "R-FLT-032"),
        ({"payload": bytes([0x10, 0x60, 0x40, 0, 0, 0]) + bytes(14), "first_off": 0}, "R-FLT-030"),
        ({"payload": bytes([0x10, 0x05, 0x30, 0, 0, 0]) + bytes(14), "first_off": 0}, "R-FLT-056"),
        ({"spare": 1}, "R-WIRE-013"),
    ],
)
def test_the_watch_charges_each_rule(fields: dict[str, object], rule: str) -> None:
    ledger = Ledger(catalogue(), Role.MODULE)
    ledger.begin()
    watch = FlitWatch(ledger)
    watch.begin(parameters(2), parameters(2))
    legal: dict[str, object] = {"vc": 3, "first_off": FLIT_PAYLOAD}
    watch.came(by_hand(**legal))
    assert ledger.violations == []
    watch.came(by_hand(**({"seq": 1} | legal | fields)))
    assert rule in {v.requirement for v in ledger.violations}


def test_before_link_params_there_is_channel_link_alone() -> None:
    ledger = Ledger(catalogue(), Role.MODULE)
    ledger.begin()
    watch = FlitWatch(ledger)
    watch.begin(least(), least())
    watch.came(by_hand(vc=0, first_off=FLIT_PAYLOAD))
    assert ledger.violations == []
    watch.came(by_hand(seq=1, vc=3, first_off=FLIT_PAYLOAD))
    assert "R-FLT-052" in {v.requirement for v in ledger.violations}


# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────


def judged(uri: str, selection: str) -> Campaign:
    return certify(uri, Options(selection=selection, keep=True))


def test_the_recording_of_a_flit_test_holds_what_the_lanes_carried() -> None:
    campaign = judged("py:opalink.conformance.zoo.roster:NeverMisses", "MOD/FLT/ORDER/TI-asked")
    (result,) = campaign.results
    assert result.verdict is Verdict.FAIL
    out = BytesIO()
    evidence.record(out, campaign, result)
    packets = read(BytesIO(out.getvalue())).packets
    assert {x.interface.link_type for x in packets} == {LINKTYPE_FLIT}
    whole = [x.data for x in packets if len(x.data) == FLIT_BYTES]
    assert whole
    for flit in whole:
        codec.decode_flit(flit)
    for record in (x.data for x in packets if len(x.data) != FLIT_BYTES):
        codec.decode_sideband(record)


def test_what_is_on_the_line_is_what_travelled() -> None:
    with Bench.open(MODULE, plane="flit") as below:
        ledger = Ledger(catalogue(), Role.MODULE)
        ledger.begin()
        bench = FlitBench(below, FlitWatch(ledger))
        bench.control(OperationTag.ATTACH, AttachOperation())
        arrival = bench.expect(lambda _: True, 250 * MS)
        assert arrival is not None
        assert codec.decode(arrival.data).type == 1
        with pytest.raises(DecodeError):
            codec.decode(bench.line[-1].data)
        assert codec.decode_sideband(bench.line[-1].data).payload == arrival.data
        assert ledger.violations == []
