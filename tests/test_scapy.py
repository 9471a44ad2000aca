"""scapy's layers read and write what our codec does, and behave as scapy's users expect.

Plan: vectors · bytes that are wrong · values that are wrong · what scapy does with layers · names · envelopes ·
licence.
"""

import copy
import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.config import conf
from scapy.packet import NoPayload, Packet, Raw, fuzz

import opalink.protocol.scapy as layers
from opalink.protocol import codec
from opalink.protocol import packets as classes
from opalink.protocol.errors import DecodeError, EncodeError, Fault
from opalink.protocol.generate.scapy.names import TAKEN
from opalink.protocol.generate.vectors import Vector, jsonable
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import header_of
from opalink.protocol.scapy.layers import Envelope, Layer, Malformed, Tlv
from opalink.protocol.scapy.values import plain
from opalink.spec.form import Form
from tests.scapy_values import layer_of

OpalPacket: Any = layers.OpalPacket
BY_NAME: dict[str, Any] = {name: getattr(layers, name) for name in layers.__all__}
LAYERS = {n: x for n, x in BY_NAME.items() if inspect.isclass(x) and issubclass(x, Layer) and n != "OpalLine"}
ROOT = Path(__file__).resolve().parent.parent


class File(msgspec.Struct):
    chapter: str
    vectors: list[Vector]


FILES = [
    msgspec.json.decode(path.read_bytes(), type=File)
    for path in sorted(files("opalink.protocol.exports").iterdir(), key=lambda path: path.name)
    if path.name.startswith("vectors-")
]
of_each_file = pytest.mark.parametrize("file", FILES, ids=[file.chapter for file in FILES])
of_each_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture
def strict() -> Iterator[None]:
    conf.contribs["OPAL"]["strict"] = True
    yield
    conf.contribs["OPAL"]["strict"] = False


# ── Vectors ──────────────────────────────────────────────────────────────────────────────────────────


@of_each_file
def test_vectors_are_dissected_and_built(file: File) -> None:
    for v in file.vectors:
        data = bytes.fromhex(v.hex)
        packet = OpalPacket(data)
        assert bytes(packet) == data, v.name
        if v.error is None:
            assert packet.fault is None, v.name
            assert jsonable(plain(packet)["body"]) == v.value, v.name
            assert plain(packet) == codec.plain(codec.decode(data)), v.name
        else:
            assert (packet.fault.fault, packet.fault.path) == (v.error.fault, v.error.path), v.name
            assert Malformed in packet, v.name


@of_each_file
def test_what_is_wrong_is_found_at_the_same_place(file: File) -> None:
    for v in file.vectors:
        if v.error is not None:
            data = bytes.fromhex(v.hex)
            with pytest.raises(DecodeError) as error:
                codec.decode(data)
            assert str(OpalPacket(data).fault) == str(error.value), v.name


@of_each_file
def test_layers_made_of_the_values_build_the_vectors(file: File) -> None:
    """The header comes from the body's class, but for what two forms of a type share."""
    c = catalogue()
    for v in file.vectors:
        if v.error is not None or not isinstance(v.value, dict):
            continue
        name, form, _ = v.name.split(".", 2)
        packet, data = c.packet[name], bytes.fromhex(v.hex)
        layout = c.layout[c.error_layout(packet) if form == Form.ERROR else packet.forms[Form(form)]]
        body = layer_of(c, BY_NAME, layout, codec.plain(codec.decode(data).body))
        header = header_of(c, packet, Form(form)) if layout.name == c.body["REFUSAL"] else {}
        assert bytes(OpalPacket(**header) / body) == data, v.name


@of_each_layer
def test_default_layers_are_what_default_values_are(name: str) -> None:
    if name not in catalogue().layout or issubclass(LAYERS[name], Tlv):
        return
    assert bytes(LAYERS[name]()) == codec.encode_layout(name, getattr(classes, name)())


# ── Bytes that are wrong ─────────────────────────────────────────────────────────────────────────────

GOOD = bytes(OpalPacket() / layers.PwrReset(level="HARD", off_time=30))


def test_a_packet_whose_check_is_wrong_shows_its_header() -> None:
    packet = OpalPacket(GOOD[:-1] + bytes([GOOD[-1] ^ 1]))
    assert (packet.type, packet.length) == (catalogue().packet["PWR_RESET"].code, len(GOOD) - 20)
    assert packet.fault.fault is Fault.CRC
    assert packet[Malformed].load == GOOD[16:-4]
    assert isinstance(packet[Malformed], Raw)
    assert "crc at offset" in packet.summary()
    assert "PWR_RESET.event" in packet.summary()
    assert "crc at offset" in packet.show(dump=True)


def test_what_is_wrong_survives_copies() -> None:
    packet = OpalPacket(GOOD[:-1])
    for again in (packet.copy(), copy.deepcopy(packet), pickle.loads(pickle.dumps(packet))):  # noqa: S301 (our own)
        assert str(again.fault) == str(packet.fault)
        assert bytes(again) == GOOD[:-1]


def test_a_broken_packet_can_be_mended() -> None:
    packet = OpalPacket(GOOD[:-1] + b"\0")
    assert packet.fault is not None
    del packet.crc
    assert OpalPacket(bytes(packet)).fault is None


@pytest.mark.usefixtures("strict")
def test_in_the_strict_mode_wrong_bytes_are_an_error() -> None:
    with pytest.raises(DecodeError, match="crc at offset"):
        OpalPacket(GOOD[:-1] + bytes([GOOD[-1] ^ 1]))
    with pytest.raises(DecodeError) as error:
        OpalPacket(bytes(codec.encode(codec.Packet(type=GOOD[1], vc=2, body=b"\x09"))))
    assert (error.value.path, error.value.offset) == ("PWR_RESET.event.off_time", 17)
    with pytest.raises(DecodeError, match="1 bytes are left over"):
        layers.FrameExposure(bytes(layers.FrameExposure()) + b"x")


@given(st.binary(max_size=80))
def test_no_bytes_are_an_exception_and_none_are_lost(data: bytes) -> None:
    for name in ("OpalPacket", "OpalFlit", "OpalSideband", "OpalRecord", "OpalLine", "FrameLeader", "Property"):
        layer = BY_NAME[name](data)
        if data:
            assert bytes(layer) == data
        layer.show(dump=True)


@given(st.binary(max_size=40), st.sampled_from([(p.code, form) for p in catalogue().packets for form in p.forms]))
def test_no_payload_is_an_exception(body: bytes, kind: tuple[int, Form]) -> None:
    header = header_of(catalogue(), catalogue().by_code[kind[0]], kind[1])
    data = codec.encode(codec.Packet(**header, body=body))
    packet = OpalPacket(data)
    assert bytes(packet) == data
    if packet.fault is None:
        assert plain(packet) == codec.plain(codec.decode(data))
    else:
        with pytest.raises(DecodeError) as error:
            codec.decode(data)
        assert str(packet.fault) == str(error.value)


# ── Values that are wrong ────────────────────────────────────────────────────────────────────────────

CUT_OFF: list[tuple[Any, str]] = [
    (OpalPacket(major=16), "major: is 16, must be 0 to 15"),
    (OpalPacket(txn=65536), "txn: is 65536, must be 0 to 65535"),
    (OpalPacket(rsp="yes"), "rsp: is str, must be an integer"),
    (layers.FrameExposure(gain=-1), "gain: is -1, must be 0 to 65535"),
    (layers.FrameLeader(exposures=[layers.FrameExposure(gain=1 << 16)]), "exposures[0].gain: is 65536"),
    (layers.FrameLeader(exposures=[layers.FrameExposure()] * 256), "exposures: has 256 elements, must have 0 to 255"),
    (layers.OpalFlit() / Raw(bytes(625)), "payload: has 625 bytes, must have 0 to 624"),
    (OpalPacket() / Raw(bytes(65536)), "payload: has 65536 bytes, must have 0 to 65535"),
    (layers.Property(tag=1, value=bytes(65536)), "value: has 65536 bytes, must have 0 to 65535"),
    (layers.OpalPacket(crc=1 << 32), "crc: is 4294967296, must be 0 to 4294967295"),
]


@pytest.mark.parametrize(("layer", "said"), CUT_OFF, ids=range(len(CUT_OFF)))
def test_nothing_is_cut_off_in_silence(layer: Any, said: str) -> None:
    with pytest.raises(EncodeError) as error:
        bytes(layer)
    assert said in str(error.value)


def test_octets_have_their_length() -> None:
    name, field = next(
        (x.name, f.name) for x in catalogue().layouts for f in x.parts if isinstance(f, ir.Octets) and f.size == 16
    )
    with pytest.raises(EncodeError, match=f"{field}: must be 16 bytes"):
        bytes(LAYERS[name](**{field: b"short"}))


def test_what_fits_and_is_illegal_is_built() -> None:
    """That is what one takes scapy for."""
    packet = OpalPacket(bytes(OpalPacket() / layers.FrameLeader(width=0, stream=9)))
    assert (packet.fault.fault, packet.fault.path) == (Fault.RANGE, "FRAME_LEADER.event.stream")
    assert OpalPacket(bytes(OpalPacket(major=3))).fault.fault is Fault.CONST


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("layer", "path"),
    [
        (OpalPacket() / layers.FrameLeader(width=0), "FRAME_LEADER.event.width"),
        (layers.FrameLeader(exposures=[layers.FrameExposure(time_=0)]), "exposures[0].time"),
        (OpalPacket(crc=5) / layers.Keepalive(), "crc"),
        (OpalPacket(length=9) / layers.PwrReset(), "payload"),
        (OpalPacket(major=2), "major"),
        (layers.GainProperty(value=0), "value"),
    ],
    ids=str,
)
def test_in_the_strict_mode_illegal_values_are_an_error(layer: Any, path: str) -> None:
    with pytest.raises(EncodeError) as error:
        bytes(layer)
    assert error.value.path == path


# ── What scapy does with layers ──────────────────────────────────────────────────────────────────────


@of_each_layer
def test_every_layer_is_shown_and_fuzzed(name: str) -> None:
    """What is fuzzed is a layer of this kind still: lengths, counts, checks and constants are right."""
    cls = LAYERS[name]
    constant = {f.name: f.default for f in cls.fields_desc if getattr(f, "const", False)}
    inside = layers.PwrReset() if cls is OpalPacket else b""
    for _ in range(4):
        data = bytes(fuzz(cls() / inside))
        back = cls()
        back.dissect(data)
        assert bytes(back) == data
        assert back.fault is None or back.fault.fault is Fault.RANGE
        if not isinstance(back.payload, Malformed):
            assert {n: getattr(back, n) for n in constant} == constant
        assert all(f.name in back.show(dump=True) for f in cls.fields_desc)
        assert repr(back).startswith(f"<{name} ")
        assert back.summary()


def test_a_packet_around_a_body_has_the_header_of_the_body() -> None:
    for packet, form, layout in catalogue().messages():
        header = header_of(catalogue(), packet, form)
        found = OpalPacket(bytes(OpalPacket() / LAYERS[layout.name]()))
        assert {n: found.getfieldval(n) for n in header} == header, layout.name
        assert type(found.payload).__name__ == layout.name
        assert found.form == form


def test_names_stand_for_numbers_and_are_shown() -> None:
    packet = OpalPacket(bytes(OpalPacket(status="BUSY", rsp=1, type="HELLO") / layers.Refusal()))
    assert (packet.status, packet.type) == (classes.Status.BUSY, classes.PacketType.HELLO)
    assert packet.sprintf("%OpalPacket.status% %OpalPacket.type%") == "BUSY HELLO"
    leader = layers.FrameLeader(kind="STILL", codec="NONE", settings=[layers.GainProperty(value=250)])
    shown = leader.show(dump=True)
    assert leader.kind.STILL
    assert "250 (2.5 x)" in shown
    assert "###[ OPAL gain ]###" in shown


def test_numbers_are_computed_unless_they_are_set() -> None:
    leader = layers.FrameLeader(bytes(layers.FrameLeader()))
    assert leader.exposures_count == 1
    leader.exposures.append(layers.FrameExposure(gain=7))
    del leader.exposures_count
    assert leader.exposures_count == 2
    assert [x.gain for x in layers.FrameLeader(bytes(leader)).exposures] == [1, 7]
    assert layers.FrameLeader(bytes(layers.FrameLeader(exposures_count=3))).fault.fault is Fault.SHORT


def test_rows_that_are_there_by_default_are_each_layers_own() -> None:
    one, other = layers.FrameLeader(), layers.FrameLeader()
    one.exposures[0].gain = 9
    assert other.exposures[0].gain == 1
    assert layers.FrameLeader().exposures[0].gain == 1


def test_rows_and_tlvs_know_the_layer_that_they_are_part_of() -> None:
    leader = layers.FrameLeader(bytes(layers.FrameLeader(settings=[layers.GainProperty()])))
    assert leader.exposures[0].parent is leader
    assert leader.settings[0].parent is leader


def test_a_tlv_of_an_unknown_tag_is_kept() -> None:
    leader = layers.FrameLeader(bytes(layers.FrameLeader(settings=[layers.Property(tag=0xFFF0, value=b"abc")])))
    assert plain(leader)["settings"] == [(0xFFF0, b"abc")]
    assert type(leader.settings[0]) is layers.Property


def test_a_tlv_by_itself_has_its_own_tag() -> None:
    gain = layers.GainProperty(bytes(layers.GainProperty(value=250)))
    assert (gain.value, gain.length, gain.fault) == (250, 2, None)
    assert layers.ExposureModeProperty(bytes(gain)).fault.path == "tag"
    assert layers.Property(bytes(gain)).value == (250).to_bytes(2, "little")


def test_dissection_stops_where_it_is_told_to() -> None:
    packet = OpalPacket(GOOD, stop_dissection_after=OpalPacket)
    assert type(packet.payload) is Raw
    assert packet.load == GOOD[16:-4]


def test_a_dissected_layer_has_the_attributes_of_one_that_scapy_made() -> None:
    packet = OpalPacket(bytes(OpalPacket() / layers.PwrReset()))
    own = {"fields", "original", "time", "payload", "underlayer", "parent", "explicit", "post_transforms"}
    for layer in (packet, packet.payload):
        made = type(layer)(_internal=1)
        for name in {*Packet.__slots__} - own:
            assert getattr(layer, name, "none") == getattr(made, name, "none"), name
    assert packet.underlayer is packet.parent is packet.payload.parent is None
    assert isinstance(packet.payload.payload, NoPayload)


def test_what_is_noted_on_a_dissected_layer_stays_with_it() -> None:
    one, other = (OpalPacket(bytes(OpalPacket() / layers.PwrReset())) for _ in range(2))
    one.sniffed_on, one.comment, one.payload.wirelen = "laser", b"first", 24
    assert (one.sniffed_on, one.comment, one.payload.wirelen) == ("laser", b"first", 24)
    assert (other.sniffed_on, other.comment, other.payload.wirelen) == (None, None, None)
    del one.sniffed_on
    assert one.sniffed_on is None


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────


def test_no_field_hides_what_scapy_has() -> None:
    own = {n for n in {*dir(Packet), *dir(Envelope), *Packet.__all_slots__} if not n.startswith("_")}
    assert own <= TAKEN
    for cls in LAYERS.values():
        assert not {f.name for f in cls.fields_desc} & own, cls.__name__


def test_every_layout_and_every_space_has_a_layer() -> None:
    assert catalogue().layout.keys() <= LAYERS.keys()
    assert {"Property", "Record", "Extension", "Operation", "Answer"} <= LAYERS.keys()
    envelopes = {n for n, x in LAYERS.items() if issubclass(x, Envelope)}
    assert envelopes == {"OpalPacket", "OpalFlit", "OpalSideband", "OpalRecord"}


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


def test_a_flit_is_filled_with_zeros() -> None:
    data = bytes(layers.OpalFlit(seq=5, vc=4) / OpalPacket() / layers.PwrReset())
    flit = codec.decode_flit(data)
    assert (flit.seq, flit.vc, len(data)) == (5, 4, 640)
    assert bytes(flit.payload).rstrip(b"\0") == bytes(OpalPacket() / layers.PwrReset()).rstrip(b"\0")


def test_a_sideband_record_carries_a_packet() -> None:
    record = layers.OpalSideband(codec.encode_sideband(codec.Sideband(payload=GOOD)))
    assert record.fault is None
    assert plain(record[OpalPacket]) == codec.plain(codec.decode(GOOD))
    assert bytes(layers.OpalSideband() / OpalPacket(GOOD)) == bytes(record)
    broken = layers.OpalSideband(codec.encode_sideband(codec.Sideband(payload=GOOD[:-1] + b"\0")))
    assert broken.fault.fault is Fault.CRC


def test_what_a_lane_carries_is_a_flit_or_a_sideband_record() -> None:
    sideband = codec.encode_sideband(codec.Sideband(payload=GOOD))
    by_chance = codec.encode_flit(codec.Flit(seq=0x5A4F, payload=bytes(624)))
    assert type(layers.OpalLine(sideband)) is layers.OpalSideband
    assert type(layers.OpalLine(codec.encode_flit(codec.Flit()))) is layers.OpalFlit
    assert type(layers.OpalLine(by_chance)) is layers.OpalFlit
    assert type(layers.OpalLine(b"\x01\x02")) is layers.OpalFlit
    assert type(layers.OpalLine(b"")) is layers.OpalFlit


def test_a_bench_record_carries_what_its_kind_says() -> None:
    kinds = [("PACKET", OpalPacket() / layers.PwrReset()), ("BIND", layers.Bind()), ("LOG", layers.Log())]
    for kind, inside in [*kinds, ("FLIT", layers.OpalFlit())]:
        record = layers.OpalRecord(bytes(layers.OpalRecord() / inside))
        found = record.kind if kind != "FLIT" else classes.RecordKind.FLIT
        assert found == classes.RecordKind[kind]
    control = layers.OpalRecord(bytes(layers.OpalRecord() / layers.ControlRequest()))
    control.decode_payload_as(layers.ControlRequest)
    assert control[layers.ControlRequest].fault is None


# ── Licence ──────────────────────────────────────────────────────────────────────────────────────────


def test_all_that_derives_from_scapy_says_its_licence_first() -> None:
    found = sorted((ROOT / "protocol" / "scapy").rglob("*.py"))
    assert len(found) > 10
    for path in found:
        assert path.read_text().startswith("# SPDX-License-Identifier: GPL-2.0-only\n"), path


WITHOUT = "import sys; sys.modules['scapy'] = None; import opalink.protocol.scapy"


def test_without_scapy_a_sentence_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ImportError: opalink.protocol.scapy needs scapy (GPL-2.0-only): pip install 'opalink[scapy]'"
