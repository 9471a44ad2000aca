"""Vectors: what every implementation in every language must do, done by ours.

Plan: the vectors · decoding and encoding · JSON and the tree · JSON that is wrong.
"""

import json
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from opalink.protocol import codec, text
from opalink.protocol import packets as classes
from opalink.protocol.codec import DecodeError, EncodeError, Fault
from opalink.protocol.generate.vectors import Vector, jsonable
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Form

# ── The vectors ──────────────────────────────────────────────────────────────────────────────────────


class File(msgspec.Struct, forbid_unknown_fields=True):
    catalogue: str
    chapter: str
    vectors: list[Vector]


FILES = [
    msgspec.json.decode(path.read_bytes(), type=File)
    for path in sorted(files("opalink.protocol.exports").iterdir(), key=lambda path: path.name)
    if path.name.startswith("vectors-")
]
ALL = [v for file in FILES for v in file.vectors]
POSITIVE = [v for v in ALL if v.error is None]
NEGATIVE = [v for v in ALL if v.error is not None]

of_each_file = pytest.mark.parametrize("file", FILES, ids=[file.chapter for file in FILES])


@of_each_file
def test_a_file_says_from_which_catalogue_it_is(file: File) -> None:
    assert file.catalogue == catalogue().fingerprint


def test_names_are_unique() -> None:
    assert len({v.name for v in ALL}) == len(ALL)


def test_every_form_of_every_packet_has_vectors_of_both_kinds() -> None:
    positive, negative = ({".".join(v.name.split(".")[:2]) for v in found} for found in (POSITIVE, NEGATIVE))
    forms = {f"{p.name}.{form}" for p, form, _ in catalogue().messages()}
    refusals = {f"{p.name}.{Form.ERROR}" for p in catalogue().packets if Form.REQUEST in p.forms}
    assert forms | refusals <= positive
    assert forms | refusals <= negative


def test_every_class_of_fault_has_vectors() -> None:
    assert {v.error.fault for v in NEGATIVE if v.error} == set(Fault)


# ── Decoding and encoding ────────────────────────────────────────────────────────────────────────────


@of_each_file
def test_vectors_decode_and_encode(file: File) -> None:
    for v in file.vectors:
        data = bytes.fromhex(v.hex)
        if v.error is None:
            packet = codec.decode(data)
            assert jsonable(codec.plain(packet.body)) == v.value, v.name
            assert codec.encode(packet) == data, v.name
        else:
            with pytest.raises(DecodeError) as error:
                codec.decode(data)
            found = error.value
            assert (found.fault, found.path) == (v.error.fault, v.error.path), v.name
            assert 0 <= found.offset <= len(data), v.name


# ── JSON and the tree ────────────────────────────────────────────────────────────────────────────────


@of_each_file
def test_json_gives_the_same_bytes_again(file: File) -> None:
    for v in file.vectors:
        if v.error is None:
            carried = json.dumps(text.to_json(codec.decode(bytes.fromhex(v.hex))))
            assert codec.encode(text.from_json(json.loads(carried))).hex() == v.hex, v.name


@of_each_file
def test_the_tree_shows_every_field(file: File) -> None:
    for v in file.vectors:
        if v.error is None and isinstance(v.value, dict):
            packet = codec.decode(bytes.fromhex(v.hex))
            shown = text.tree(packet)
            assert shown.startswith(f"{v.name.split('.')[0]} {text.form_of(packet)}"), v.name
            for name, value in v.value.items():
                told = not value or f"  {name}" in shown or isinstance(value[0], list)  # TLVs go by their tags
                assert told, (v.name, name)


HEADERS = [
    {},
    {"rsp": 1, "status": codec.Status.OK},
    {"rsp": 1, "status": codec.Status.BUSY},
    {"rsp": 1, "status": 0xE7},
    {"txn": 9},
    {"txn": 9, "rsp": 1},
    {"vc": 0},
    {"vc": 14, "instance": 3},
    {"more": 1, "spare0": 1, "spare2": 1},
    {"status": codec.Status.OVERCURRENT},
    {"t_ns": (1 << 64) - 1},
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
@pytest.mark.parametrize("kind", ["PWR_READY", "PWR_REQUEST", "KEEPALIVE", None])
def test_json_keeps_a_header_that_no_one_should_send(header: dict[str, Any], kind: str | None) -> None:
    """With its payload as bytes, where the type has no such form."""
    code = catalogue().packet[kind].code if kind else 0xEE
    packet = codec.Packet(type=code, body=b"\x01\x02", **header)
    data = codec.encode(packet)
    again = text.from_json(json.loads(json.dumps(text.to_json(packet))))
    assert codec.encode(again) == data


def test_json_says_what_the_bytes_are() -> None:
    """A known packet by its names, an unknown one by its numbers."""
    known = codec.event(classes.PwrReset(level=1, off_time=30))
    assert text.to_json(codec.decode(codec.encode(known))) == {
        "packet": "PWR_RESET",
        "form": "event",
        "header": {"vc": "POWER"},
        "body": {"level": "HARD", "off_time": 30, "extensions": []},
    }
    unknown = codec.Packet(type=0xEE, txn=7, body=b"\x01")
    assert text.to_json(unknown) == {
        "packet": None,
        "form": "request",
        "header": {"type": 0xEE, "txn": 7},
        "body": "01",
    }


def test_what_is_left_out_of_json_has_its_default() -> None:
    packet = text.from_json({"packet": "PWR_REQUEST", "body": {"object": 2}})
    assert packet.body == classes.PwrRequest(object=2)
    assert (packet.txn, packet.vc, packet.rsp, packet.status) == (1, codec.VirtualChannel.POWER, 0, 0)
    failed = text.from_json({"packet": "PWR_REQUEST", "form": "error"})
    assert (failed.rsp, failed.status, failed.body) == (1, codec.Status.BAD_VALUE, classes.PwrRequestError())


# ── JSON that is wrong ───────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[Any, str]] = [
    ([], ""),
    ({"packets": 1}, "packets"),
    ({"packet": "PWR_WINGS"}, "packet"),
    ({"packet": []}, "packet"),
    ({"packet": "PWR_READY", "form": "request"}, "form"),
    ({"packet": "PWR_READY", "form": "error", "body": {}}, "form"),
    ({"packet": "PWR_READY", "form": "letter"}, "form"),
    ({"packet": "PWR_READY", "form": []}, "form"),
    ({"packet": "PWR_READY", "header": []}, "header"),
    ({"packet": "PWR_READY", "header": {"length": 3}}, "header.length"),
    ({"packet": "PWR_READY", "header": {"vc": "SKY"}}, "header.vc"),
    ({"packet": "PWR_READY", "header": {"txn": "one"}}, "header.txn"),
    ({"packet": "PWR_READY", "header": {"txn": []}}, "txn"),
    ({"packet": "PWR_READY", "body": []}, ""),
    ({"packet": "PWR_READY", "body": "0g"}, "body"),
    ({"packet": "PWR_READY", "body": {"wings": 2}}, "wings"),
    ({"packet": "PWR_READY", "body": {"object": "two"}}, "object"),
    ({"packet": "PWR_READY", "body": {"object": 1.0}}, "object"),
    ({"packet": "PWR_READY", "body": {"object": 7}}, "object"),
    ({"packet": "PWR_RESET", "body": {"level": "LOUD"}}, "level"),
    ({"packet": "PWR_RESET", "body": {"extensions": {}}}, "extensions"),
    ({"packet": "PWR_RESET", "body": {"extensions": [1]}}, "extensions[0]"),
    ({"packet": "PWR_RESET", "body": {"extensions": [{"tag": 1}]}}, "extensions[0]"),
    ({"packet": "PWR_RESET", "body": {"extensions": [{"tag": "x", "value": ""}]}}, "extensions[0]"),
    ({"packet": "PWR_RESET", "body": {"extensions": [{"tag": [], "value": ""}]}}, "extensions[0]"),
    ({"packet": "PWR_RESET", "body": {"extensions": [{"tag": 1, "value": 5}]}}, "extensions[0].value"),
    ({"packet": "PWR_SOURCE_CAPS", "body": {"offers": [5]}}, "offers[0]"),
    ({"packet": "PWR_SOURCE_CAPS", "body": {"offers": [{"min": "high"}]}}, "offers[0].min"),
    ({"packet": "PROP_SET", "body": {"settings": [{"tag": "exposure", "value": {"value": 5}}]}}, "settings[0].value"),
    ({"packet": "SPDM", "body": {"message": 5}}, "message"),
    ({"packet": None, "body": {"object": 1}}, "body"),
    ({"header": {"type": 0xEE}, "body": "no"}, "body"),
]


@pytest.mark.parametrize(("data", "path"), WRONG, ids=range(len(WRONG)))
def test_wrong_json_is_refused_by_the_field(data: Any, path: str) -> None:
    with pytest.raises(EncodeError) as error:
        codec.encode(text.from_json(data))
    assert error.value.path == path
    assert "\n" not in str(error.value)
