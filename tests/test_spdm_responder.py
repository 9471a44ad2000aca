"""What a responder refuses, and with which ERROR.

Plan: the order of requests · malformed requests · what is not there · what does not fit · states · capabilities.
"""

import struct
from functools import reduce
from operator import or_

import pytest

from opalink.protocol.errors import EncodeError
from opalink.protocol.spdm import Asym, Capability, Code, ErrorCode, Responder
from opalink.protocol.spdm import messages as m
from opalink.protocol.spdm.responder import requester_may
from opalink.spec import limits
from tests.spdm_material import P256, make_chain, module
from tests.test_spdm_transcripts import (
    GET_CAPABILITIES,
    GET_DIGESTS,
    GET_VERSION,
    challenge,
    get_certificate,
    get_measurements,
    negotiate,
)

NEGOTIATE = negotiate(0x10, 1)
OPENING = (GET_VERSION, GET_CAPABILITIES, NEGOTIATE)
LATER = (GET_DIGESTS, get_certificate(0, 9), challenge(bytes(32)), get_measurements(1))


def opened(upto: int = 3) -> Responder:
    """A responder that has answered so many of the first three requests."""
    responder = module(P256)
    for request in OPENING[:upto]:
        assert responder.respond(request)[1] != Code.ERROR
    return responder


def error(code: int, *, version: int = 0x12, data: int = 0, extended: bytes = b"") -> bytes:
    return bytes((version, 0x7F, code, data)) + extended


# ── The order of requests ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("upto", range(4))
@pytest.mark.parametrize("request_", [*OPENING[1:], *LATER], ids=lambda r: Code(r[1]).name)
def test_a_request_out_of_order_is_unexpected(upto: int, request_: bytes) -> None:
    in_order = OPENING[upto : upto + 1] or LATER
    response = opened(upto).respond(request_)
    if request_ in in_order:
        assert response[:2] == bytes((0x12, request_[1] - 0x80))
    else:
        assert response == error(0x04, version=0x12 if upto > 1 else 0x10)


@pytest.mark.parametrize("upto", range(4))
def test_get_version_begins_anew_at_any_time(upto: int) -> None:
    responder = opened(upto)
    assert responder.respond(GET_VERSION)[1] == 0x04
    assert responder.respond(GET_DIGESTS) == error(0x04, version=0x10)


@pytest.mark.parametrize("version", [0x10, 0x11, 0x13, 0x00, 0xFF])
def test_a_version_that_was_not_agreed_on_is_a_mismatch(version: int) -> None:
    for request in LATER:
        assert opened().respond(bytes((version,)) + request[1:]) == error(0x41)
    assert opened(1).respond(bytes((version,)) + GET_CAPABILITIES[1:]) == error(0x41, version=0x10)


@pytest.mark.parametrize("version", [0x11, 0x12, 0x13, 0x00])
@pytest.mark.parametrize("upto", range(4))
def test_get_version_has_a_version_of_its_own(upto: int, version: int) -> None:
    responder = opened(upto)
    assert responder.respond(bytes((version,)) + GET_VERSION[1:]) == error(0x41, version=0x10)


@pytest.mark.parametrize("code", sorted({*range(256)} - {*Code} | {Code.RESPOND_IF_READY, Code.ERROR}))
def test_a_code_that_is_not_spoken_is_named(code: int) -> None:
    assert opened().respond(bytes((0x12, code, 0, 0))) == error(0x07, data=code)


# ── Malformed requests ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("request_", [*OPENING, *LATER, get_measurements(1, bytes(32))], ids=lambda r: Code(r[1]).name)
def test_a_request_that_is_cut_or_lengthened_is_invalid(request_: bytes) -> None:
    upto = OPENING.index(request_) if request_ in OPENING else 3
    version = 0x10 if upto == 0 else 0x12
    for shape in [request_[:size] for size in range(4, len(request_))] + [request_ + b"\0"]:
        assert opened(upto).respond(shape) == error(0x01, version=version)


@pytest.mark.parametrize("size", range(4))
def test_what_is_shorter_than_a_header_is_invalid(size: int) -> None:
    assert opened(0).respond(GET_VERSION[:size]) == error(0x01, version=0x10)


def table(kind: int, supported: int = 1, count: int = 0x20, external: bytes = b"") -> bytes:
    return struct.pack("<BBH", kind, count, supported) + external


def with_tables(*tables: bytes) -> bytes:
    body = b"".join(tables)
    request = bytearray(NEGOTIATE + body)
    request[2] = len(tables)
    request[4:6] = struct.pack("<H", len(request))
    return bytes(request)


@pytest.mark.parametrize(
    "request_",
    [
        negotiate(0x10, 0),
        negotiate(0, 1),
        negotiate(0x80, 1),
        negotiate(0x10, 4),
        negotiate(0x10, 1, specification=2),
        NEGOTIATE[:4] + b"\x21" + NEGOTIATE[5:],
        with_tables(table(1)),
        with_tables(table(6)),
        with_tables(table(3), table(2)),
        with_tables(table(2), table(2)),
        with_tables(table(2, 0)),
        with_tables(table(2, count=0x10)),
        with_tables(table(2, count=0x2F, external=bytes(60)), table(3, count=0x26, external=bytes(24))),
    ],
    ids=[
        "no hash", "no signature", "a curve it has no key on", "a hash that is not spoken", "another specification",
        "a length that is not its own", "table 1", "table 6", "tables backwards", "a table twice", "a table of nothing",
        "a narrow table", "too many extensions",
    ],
)  # fmt: skip
def test_algorithms_that_cannot_be_agreed_on_are_invalid(request_: bytes) -> None:
    responder = opened(2)
    assert responder.respond(request_) == error(0x01)
    assert responder.respond(NEGOTIATE)[1] == 0x63, "what was refused has changed nothing"


def test_tables_of_what_needs_a_session_are_answered_with_nothing() -> None:
    request = with_tables(table(2, 0x18), table(3, 7, 0x21, bytes(4)), table(4, 0x80), table(5))
    response = opened(2).respond(request)
    assert response[1:3] == b"\x63\x04"
    assert response[36:] == b"".join(table(kind, 0) for kind in (2, 3, 4, 5))
    assert struct.unpack("<H", response[4:6]) == (len(response),)


def test_who_asks_for_no_measurements_gets_none() -> None:
    responder = opened(2)
    chosen = responder.respond(negotiate(0x10, 1, specification=0))
    assert (chosen[6], chosen[8:12]) == (0, bytes(4))
    assert responder.respond(get_measurements(1)) == error(0x04)
    assert responder.respond(challenge(bytes(32), summary=0xFF)) == error(0x01)


# ── What is not there ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "request_",
    [
        get_certificate(0, 10, slot=1),
        get_certificate(0, 10, slot=8),
        get_certificate(0xFFFF, 10),
        challenge(bytes(32), slot=1),
        challenge(bytes(32), slot=0xFF),
        challenge(bytes(32), summary=2),
        get_measurements(3),
        get_measurements(0xFE, bytes(32)),
        get_measurements(1, bytes(32), slot=1),
        get_measurements(1, bytes(32), slot=15),
    ],
)
def test_what_is_not_there_is_invalid(request_: bytes) -> None:
    assert opened().respond(request_) == error(0x01)


def test_a_portion_of_nothing_is_nothing() -> None:
    response = opened().respond(get_certificate(5, 0))
    assert response[4:6] == bytes(2)
    assert len(response) == 8


# ── What does not fit ────────────────────────────────────────────────────────────────────────────────


def capabilities(transfer: int, most: int, flags: int = 0, ct: int = 0) -> bytes:
    return struct.pack("<BBBBBBHIII", 0x12, 0xE1, 0, 0, 0, ct, 0, flags, transfer, most)


@pytest.mark.parametrize(
    "request_",
    [
        capabilities(41, 41),
        capabilities(100, 99, 0x20000),
        capabilities(100, 200),
        capabilities(100, 100, ct=32),
        capabilities(100, 100, flags=0x04),
    ],
    ids=["below the least", "more than altogether", "in part without chunks", "an age", "a challenge without a key"],
)
def test_capabilities_that_cannot_be_are_invalid(request_: bytes) -> None:
    assert opened(1).respond(request_) == error(0x01)


@pytest.mark.parametrize("room", [42, 60, 100, 150])
def test_no_response_is_larger_than_the_requester_takes(room: int) -> None:
    responder = opened(1)
    responder.respond(capabilities(room, room))
    responder.respond(NEGOTIATE)
    full = opened()
    for request in (*LATER, get_measurements(0xFF, bytes(32))):
        response, whole = responder.respond(request), full.respond(request)
        if len(whole) > room:
            assert response == error(0x0D, extended=struct.pack("<I", len(whole)))
        else:
            assert response[:2] == whole[:2]
    portion = responder.respond(get_certificate(0, 0xFFFF))
    assert len(portion) == room


def test_a_request_larger_than_a_packet_is_too_large() -> None:
    assert opened().respond(GET_DIGESTS + bytes(limits.SPDM_MESSAGE)) == error(0x0E)


def test_the_largest_chain_is_shown_and_a_larger_one_is_not_built() -> None:
    responder = module(make_chain(Asym.ECDSA_P256, padding=64_000))
    for request in OPENING:
        responder.respond(request)
    assert responder.respond(get_certificate(65_000, 0xFFFF))[1] in (0x02, 0x7F)
    whole = responder.respond(get_certificate(0, 0xFFFF))
    assert len(whole) == limits.SPDM_MESSAGE


# ── States ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("request_", [*OPENING, *LATER], ids=lambda r: Code(r[1]).name)
def test_a_busy_responder_says_so_and_forgets_nothing(request_: bytes) -> None:
    upto = OPENING.index(request_) if request_ in OPENING else 3
    responder = opened(upto)
    responder.busy = True
    assert responder.respond(request_) == error(0x03, version=0x10 if upto == 0 else 0x12)
    responder.busy = False
    assert responder.respond(request_)[1] == request_[1] - 0x80


@pytest.mark.parametrize("request_", [*OPENING[1:], *LATER, b"\x12\xc0\0\0"])
def test_a_responder_that_has_lost_everything_asks_to_begin_again(request_: bytes) -> None:
    responder = opened()
    responder.forget()
    for _ in range(2):
        assert responder.respond(request_) == error(0x43, version=0x10)
    assert responder.respond(GET_VERSION)[1] == 0x04
    assert responder.respond(GET_CAPABILITIES)[1] == 0x61


# ── Capabilities ─────────────────────────────────────────────────────────────────────────────────────


def flags(names: str) -> Capability:
    return reduce(or_, (Capability[name] for name in names.split()), Capability(0))


@pytest.mark.parametrize(
    "names",
    ["", "CERT CHAL", "CERT KEY_EX MAC", "KEY_EX ENCRYPT MAC HBEAT KEY_UPD HANDSHAKE_IN_THE_CLEAR", "PSK MAC",
     "PUB_KEY_ID CHAL MUT_AUTH ENCAP", "CHUNK"],
)  # fmt: skip
def test_capabilities_that_go_together(names: str) -> None:
    assert requester_may(flags(names))


@pytest.mark.parametrize(
    "names",
    ["CERT", "PUB_KEY_ID", "CHAL", "MUT_AUTH", "CERT PUB_KEY_ID CHAL", "KEY_EX", "PSK", "MAC", "ENCRYPT", "HBEAT",
     "KEY_UPD", "HANDSHAKE_IN_THE_CLEAR", "PSK MAC HANDSHAKE_IN_THE_CLEAR", "PSK_WITH_CONTEXT MAC"],
)  # fmt: skip
def test_capabilities_that_contradict_each_other(names: str) -> None:
    assert not requester_may(flags(names))


def test_a_value_that_has_no_encoding_is_the_caller_s_fault() -> None:
    for message in (
        m.Challenge(slot=256, summary=0, nonce=bytes(32)),
        m.Challenge(slot=0, summary=0, nonce=bytes(31)),
        m.Version(count=2, entries=(1,)),
        m.Error(error=ErrorCode.BUSY, extended=bytes(33)),
    ):
        with pytest.raises(EncodeError):
            message.encode()
