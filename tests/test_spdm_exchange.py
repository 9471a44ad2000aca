"""SPDM between a module and a phone: what authentication ends in, and what may put it off.

Plan: good ends · doubts · what may put it off · misuse · the session's measurement and the policy.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.protocol import packets
from opalink.protocol.codec import encode_layout
from opalink.protocol.packets import (
    Beacon,
    Feature,
    Hello,
    HelloResponse,
    LinkParams,
    LinkParamsResponse,
    TrustLevel,
)
from opalink.protocol.packets.security import decode_TrustPolicy, encode_TrustPolicy
from opalink.protocol.spdm import (
    SESSION_INDEX,
    Ask,
    Asym,
    Code,
    Credential,
    Doubt,
    ErrorCode,
    Expected,
    Hash,
    Identity,
    Measurement,
    Requester,
    Responder,
    build_chain,
    policy,
    session_digest,
)
from opalink.protocol.spdm import messages as m
from opalink.spec import limits
from tests.spdm_material import (
    EXPECTED,
    FIRMWARE,
    MEASUREMENTS,
    NOW,
    P256,
    P384,
    SESSION,
    Chain,
    converse,
    key,
    make_chain,
    module,
    nonces,
    phone,
)

STEPS = [
    Code.GET_VERSION,
    Code.GET_CAPABILITIES,
    Code.NEGOTIATE_ALGORITHMS,
    Code.GET_DIGESTS,
    Code.GET_CERTIFICATE,
    Code.CHALLENGE,
    Code.GET_MEASUREMENTS,
]


def end(requester: Requester, responder: Responder) -> tuple[TrustLevel, Doubt | None]:
    converse(requester, responder.respond)
    assert requester.outcome
    return requester.outcome.level, requester.outcome.doubt


# ── Good ends ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chain", [P256, P384], ids=["P-256", "P-384"])
def test_a_genuine_module_with_the_firmware_of_its_maker_is_measured(chain: Chain) -> None:
    requester = phone(chain)
    said = converse(requester, module(chain).respond)
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.MEASURED
    assert requester.outcome.measurements == {1: FIRMWARE, 2: b"1.2.0.7", SESSION_INDEX: SESSION}
    assert [request[1] for request, _ in said] == STEPS


@pytest.mark.parametrize("hash_", list(Hash))
@pytest.mark.parametrize("asym", list(Asym))
def test_every_hash_goes_with_every_curve(monkeypatch: pytest.MonkeyPatch, hash_: Hash, asym: Asym) -> None:
    monkeypatch.setattr("opalink.protocol.spdm.requester.HASHES", hash_)
    monkeypatch.setattr("opalink.protocol.spdm.requester.ASYMS", asym)
    requester = phone(P256, P384)
    said = converse(requester, module(P256, P384).respond)
    chosen = m.Algorithms.decode(said[2][1])
    assert (chosen.base_hash, chosen.base_asym) == (hash_, asym)
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.MEASURED


def test_the_strongest_of_what_both_have_is_chosen() -> None:
    said = converse(phone(P256, P384), module(P256, P384).respond)
    chosen = m.Algorithms.decode(said[2][1])
    assert (chosen.base_hash, chosen.base_asym) == (Hash.SHA_384, Asym.ECDSA_P384)


def test_without_references_a_module_is_genuine() -> None:
    assert end(phone(expected=Expected(SESSION)), module()) == (TrustLevel.GENUINE, None)


def test_whoever_takes_measurements_away_on_the_way_is_found_out() -> None:
    """MEAS_CAP is part of what is signed."""
    requester = phone()
    converse(requester, Peer(module(), flags=0x06).respond)
    assert requester.outcome
    assert requester.outcome.doubt is Doubt.SIGNATURE


@pytest.mark.parametrize("padding", [3_000, 4_000, 30_000, 60_000])
def test_a_long_chain_comes_in_portions(padding: int) -> None:
    chain = make_chain(Asym.ECDSA_P256, padding=padding)
    requester = phone(chain)
    said = converse(requester, module(chain).respond)
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.MEASURED
    portions = [response for request, response in said if request[1] == Code.GET_CERTIFICATE]
    whole = build_chain(chain.certificates, Hash.SHA_384)
    assert b"".join(p[8:] for p in portions) == whole == requester.outcome.chain
    assert len(portions) == -(-len(whole) // (limits.SPDM_MESSAGE - 8))
    assert max(map(len, portions)) <= limits.SPDM_MESSAGE


def test_a_chain_that_is_known_is_not_read_again() -> None:
    first = phone()
    converse(first, module().respond)
    assert first.outcome
    again = phone(known=(b"some other chain", first.outcome.chain))
    said = converse(again, module().respond)
    assert again.outcome
    assert again.outcome.level is TrustLevel.MEASURED
    assert [request[1] for request, _ in said] == [s for s in STEPS if s != Code.GET_CERTIFICATE]


def test_the_same_nonces_give_the_same_bytes() -> None:
    assert converse(phone(), module().respond) == converse(phone(), module().respond)


def test_other_nonces_give_other_signatures() -> None:
    a = converse(phone(), module().respond)
    b = converse(Requester([P256.root], NOW, nonces("another phone"), EXPECTED), module().respond)
    assert a[5][1][-64:] != b[5][1][-64:]


def test_every_message_fits_a_packet() -> None:
    chain = make_chain(Asym.ECDSA_P256, padding=60_000)
    for request, response in converse(phone(chain), module(chain).respond):
        packets.Spdm(message=request)
        assert 4 <= len(request) <= limits.SPDM_MESSAGE
        assert 4 <= len(response) <= limits.SPDM_MESSAGE


# ── Doubts ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Peer:
    """A responder that says other things than a good one would: other flags, or an ERROR before the answer to a
    step. What it signs is what it would have said."""

    good: Responder
    flags: int | None = None
    errors: list[tuple[Code, bytes]] = field(default_factory=list)
    held: bytes = b""

    def respond(self, request: bytes) -> bytes:
        if request[1] == Code.RESPOND_IF_READY:
            return self.held
        if self.errors and self.errors[0][0] == request[1]:
            error = self.errors.pop(0)[1]
            if error[2] == ErrorCode.RESPONSE_NOT_READY:
                self.held = self.good.respond(request)
            return error
        response = bytearray(self.good.respond(request))
        if self.flags is not None and response[1] == 0x61:
            response[8:12] = self.flags.to_bytes(4, "little")
        return bytes(response)


def test_a_stranger_is_rejected() -> None:
    assert end(phone(P384), module(P256)) == (TrustLevel.REJECTED, Doubt.CHAIN)


def test_a_key_that_is_not_the_certificate_s_is_no_identity() -> None:
    with pytest.raises(ValueError, match="not that of its key"):
        Identity([Credential(P384.key, P256.certificates)], dict, nonces("x"))


def test_a_certificate_that_is_copied_without_its_key_is_rejected() -> None:
    responder = module()
    # What `Identity` would not let through.
    thief = Credential(key("thief", Asym.ECDSA_P256), P256.certificates)
    responder.identity.credentials[Asym.ECDSA_P256][0] = thief
    assert end(phone(), responder) == (TrustLevel.REJECTED, Doubt.SIGNATURE)


@pytest.mark.parametrize(
    ("expected", "doubt"),
    [
        (Expected(bytes(32), {1: FIRMWARE}), Doubt.MEASUREMENT),
        (Expected(SESSION, {1: bytes(32)}), Doubt.MEASUREMENT),
        (Expected(SESSION, {1: FIRMWARE, 3: bytes(32)}), Doubt.MEASUREMENT),
        (Expected(None, {SESSION_INDEX: bytes(32)}), Doubt.MEASUREMENT),
    ],
    ids=["another session", "other firmware", "a measurement that is missing", "a reference for the session"],
)
def test_a_measurement_that_is_not_what_it_must_be_is_a_doubt(expected: Expected, doubt: Doubt) -> None:
    assert end(phone(expected=expected), module()) == (TrustLevel.REJECTED, doubt)


def test_a_tester_takes_any_root_and_still_wants_every_signature() -> None:
    def tester() -> Requester:
        return Requester(None, None, nonces("tester"), Expected(SESSION))

    assert end(tester(), module()) == (TrustLevel.GENUINE, None)
    thieving = module()
    thieving.identity.credentials[Asym.ECDSA_P256][0] = Credential(key("thief", Asym.ECDSA_P256), P256.certificates)
    assert end(tester(), thieving) == (TrustLevel.REJECTED, Doubt.SIGNATURE)


def test_firmware_may_be_any_that_its_maker_has_released() -> None:
    released = frozenset((bytes(32), FIRMWARE))
    assert end(phone(expected=Expected(SESSION, {1: released})), module()) == (TrustLevel.MEASURED, None)
    recalled = released - {FIRMWARE}
    assert end(phone(expected=Expected(SESSION, {1: recalled})), module()) == (TrustLevel.REJECTED, Doubt.MEASUREMENT)


def test_a_module_that_does_not_measure_the_session_is_rejected() -> None:
    held = {1: MEASUREMENTS[1]}
    assert end(phone(), module(measurements=held)) == (TrustLevel.REJECTED, Doubt.MEASUREMENT)


@pytest.mark.parametrize(
    ("flags", "doubt"),
    [
        (0x00, Doubt.CAPABILITY),
        (0x02, Doubt.CAPABILITY),
        (0x04, Doubt.CAPABILITY),
        (0x06 | 0x18, Doubt.MALFORMED),
        (0x06 | 0x10000, Doubt.MALFORMED),
        (0x06 | 0x40000 | 0x10, Doubt.CHAIN),
    ],
    ids=["nothing", "no challenge", "no certificate", "MEAS_CAP 3", "two kinds of keys", "a leaf of its own"],
)
def test_capabilities_that_prove_nothing_are_a_doubt(flags: int, doubt: Doubt) -> None:
    requester = phone()
    converse(requester, Peer(module(), flags=flags).respond)
    assert requester.outcome
    assert requester.outcome.doubt is doubt


def test_certificates_are_judged_at_the_time_that_is_given() -> None:
    early = Requester([P256.root], datetime(2024, 1, 1, tzinfo=UTC), nonces("phone"), EXPECTED)
    assert end(early, module()) == (TrustLevel.REJECTED, Doubt.CHAIN)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", [c for c in ErrorCode if c not in (0x03, 0x42, 0x43)] + [0, 0x02, 0x99])
def test_an_error_that_nothing_can_be_done_about_ends_in_a_doubt(step: Code, code: int) -> None:
    requester = phone()
    converse(requester, Peer(module(), errors=[(step, bytes((0x12, 0x7F, code, 0)))]).respond)
    assert requester.outcome
    assert (requester.outcome.level, requester.outcome.doubt) == (TrustLevel.REJECTED, Doubt.ERROR)
    assert step.name in requester.outcome.detail


# ── What may put it off ──────────────────────────────────────────────────────────────────────────────

BUSY = bytes((0x12, 0x7F, 0x03, 0))
RESYNCH = bytes((0x10, 0x7F, 0x43, 0))


def not_ready(step: int, token: int = 7, exponent: int = 10) -> bytes:
    return bytes((0x12, 0x7F, 0x42, 0, exponent, step, token, 1))


@pytest.mark.parametrize("step", STEPS)
def test_a_busy_responder_is_asked_again_later(step: Code) -> None:
    requester = phone()
    peer = Peer(module(), errors=[(step, BUSY)] * 3)
    waits = []
    ask: Ask | None = requester.start()
    while ask:
        waits.append(ask.wait)
        ask = requester.receive(peer.respond(ask.message))
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.MEASURED
    assert [w for w in waits if w] == [100_000] * 3


@pytest.mark.parametrize("error", [BUSY, RESYNCH], ids=["Busy", "RequestResynch"])
@pytest.mark.parametrize("step", STEPS)
def test_who_puts_off_for_ever_is_given_up(step: Code, error: bytes) -> None:
    requester = phone()
    said = converse(requester, Peer(module(), errors=[(step, error)] * 99).respond)
    assert requester.outcome
    assert (requester.outcome.level, requester.outcome.doubt) == (TrustLevel.REJECTED, Doubt.GAVE_UP)
    assert len([1 for request, _ in said if request[1] == step]) == 4


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_responder_that_lost_everything_is_asked_from_the_beginning(step: Code) -> None:
    responder = module()
    requester = phone()
    lost = iter((True,))

    def respond(request: bytes) -> bytes:
        if request[1] == step and next(lost, False):
            responder.forget()
        return responder.respond(request)

    said = converse(requester, respond)
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.MEASURED
    assert [request[1] for request, _ in said] == STEPS[: STEPS.index(step) + 1] + STEPS


@pytest.mark.parametrize("step", STEPS[3:])
def test_a_responder_that_is_not_ready_is_asked_when_it_is(step: Code) -> None:
    requester = phone()
    peer = Peer(module(), errors=[(step, not_ready(step))])
    asks = []
    ask: Ask | None = requester.start()
    while ask:
        asks.append(ask)
        ask = requester.receive(peer.respond(ask.message))
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.MEASURED
    assert [(a.message, a.wait) for a in asks if a.wait] == [(bytes((0x12, 0xFF, step, 7)), 1 << 10)]


@pytest.mark.parametrize(
    "error",
    [
        not_ready(Code.GET_VERSION),
        not_ready(Code.CHALLENGE)[:-1],
        not_ready(Code.CHALLENGE) + b"\0",
        not_ready(Code.CHALLENGE, exponent=32),
        bytes((0x12, 0x7F, 0x42, 0)),
    ],
    ids=["another request", "short", "long", "an age", "no data"],
)
def test_a_promise_that_does_not_suit_is_a_doubt(error: bytes) -> None:
    requester = phone()
    converse(requester, Peer(module(), errors=[(Code.CHALLENGE, error)]).respond)
    assert requester.outcome
    assert requester.outcome.doubt is Doubt.MALFORMED


@pytest.mark.parametrize("step", STEPS[:3])
def test_nothing_is_put_off_before_algorithms_are_agreed_on(step: Code) -> None:
    requester = phone()
    converse(requester, Peer(module(), errors=[(step, not_ready(step))]).respond)
    assert requester.outcome
    assert requester.outcome.doubt is Doubt.MALFORMED


# ── Misuse ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_requester_is_for_one_authentication() -> None:
    requester = phone()
    with pytest.raises(ValueError, match="no request"):
        requester.receive(b"")
    requester.start()
    with pytest.raises(ValueError, match="started before"):
        requester.start()
    requester.receive(b"")
    assert requester.outcome
    assert requester.outcome.doubt is Doubt.MALFORMED
    with pytest.raises(ValueError, match="no request"):
        requester.receive(b"")


def test_a_slot_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no slot 8"):
        Requester([P256.root], NOW, nonces("phone"), slot=8)
    with pytest.raises(ValueError, match="no slot 8"):
        Identity([Credential(P256.key, P256.certificates, slot=8)], dict, nonces("x"))
    with pytest.raises(ValueError, match="at least one"):
        Identity([], dict, nonces("x"))


def test_an_identity_in_another_slot_is_found_there() -> None:
    identity = Identity([Credential(P256.key, P256.certificates, slot=5)], lambda: MEASUREMENTS, nonces("module"))
    there = Requester([P256.root], NOW, nonces("phone"), EXPECTED, slot=5)
    assert end(there, Responder(identity)) == (TrustLevel.MEASURED, None)
    assert end(phone(), Responder(identity)) == (TrustLevel.REJECTED, Doubt.CHAIN)


# ── The session's measurement and the policy ─────────────────────────────────────────────────────────


BEGUN = (Beacon(nonce=1), Beacon(nonce=2), None, (Hello(phone_nonce=3), HelloResponse(session=4)))
PARAMS = (LinkParams(epoch=1), LinkParamsResponse(epoch=1))


def test_a_session_s_digest_is_that_of_its_payloads_in_the_order_of_the_requirement() -> None:
    phone, module, _, hello = BEGUN
    values = (phone, module, *PARAMS, *hello)
    payloads = b"".join(encode_layout(type(v).__name__, v) for v in values)
    assert session_digest(phone, module, PARAMS, hello) == hashlib.sha256(payloads).digest()


def test_a_session_s_digest_tells_every_payload_apart() -> None:
    phone, module, _, hello = BEGUN
    others = [
        BEGUN,
        (module, phone, None, hello),
        (phone, module, PARAMS, hello),
        (None, module, None, hello),
        (phone, module, None, (structs.replace(hello[0], features=1), hello[1])),
        (phone, module, None, (hello[0], structs.replace(hello[1], features=1))),
    ]
    assert len({session_digest(*other) for other in others}) == len(others)


CAPTURE = Feature.SENSOR | Feature.VIDEO | Feature.LENS | Feature.BUFFER | Feature.STORAGE | Feature.CONTRACT


@given(st.sampled_from(TrustLevel), st.integers(0, (1 << 30) - 1), st.integers(0, 65_535))
def test_no_level_withholds_what_a_picture_needs(level: TrustLevel, features: int, available: int) -> None:
    said = policy(level, features, available=available)
    assert said.granted & features & CAPTURE == features & CAPTURE
    assert not said.granted & ~features
    caps = {TrustLevel.UNKNOWN: 5_000, TrustLevel.REJECTED: 3_000}
    assert said.max_power == min(available, caps.get(level, 10_000))
    assert said.level is level


def test_who_is_not_believed_may_not_replace_firmware_or_feed_the_phone() -> None:
    every = (1 << 30) - 1
    for level in (TrustLevel.UNKNOWN, TrustLevel.REJECTED):
        assert every & ~policy(level, every).granted == Feature.FIRMWARE | Feature.ROLE_SWAP
    for level in (TrustLevel.GENUINE, TrustLevel.MEASURED):
        assert policy(level, every).granted == every


def test_a_policy_is_a_packet() -> None:
    said = policy(TrustLevel.REJECTED, int(CAPTURE), expires=60)
    data = encode_TrustPolicy(said)
    assert decode_TrustPolicy(data, 0, len(data)) == said


def test_a_measurement_block_is_refused_where_it_cannot_be() -> None:
    with pytest.raises(ValueError, match="index"):
        Measurement(b"").block(0)
    with pytest.raises(ValueError, match="size"):
        Measurement(bytes(1 << 16)).block(1)
