"""SPDM under attack: whatever is changed, cut, added or turned about, nobody is believed and nothing is raised.

Plan: bytes that are changed on the way · messages of another shape · noise · requests without order.
"""

from collections.abc import Callable, Iterator
from itertools import chain as joined
from itertools import repeat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opalink.protocol.packets import TrustLevel
from opalink.protocol.spdm import Code, Doubt, Requester
from opalink.protocol.spdm import messages as m
from opalink.spec import limits
from tests.spdm_material import P256, P384, Chain, converse, module, phone, replay

BELIEVED = (TrustLevel.GENUINE, TrustLevel.MEASURED)
SAID = {chain: converse(phone(chain), module(chain).respond) for chain in (P256, P384)}
REQUESTS, RESPONSES = ([one[i] for one in SAID[P256]] for i in (0, 1))
STEPS = range(len(RESPONSES))
each_chain = pytest.mark.parametrize("chain", [P256, P384], ids=["P-256", "P-384"])


def believed(requester: Requester) -> bool:
    return requester.outcome is not None and requester.outcome.level in BELIEVED


def after(responses: Iterator[bytes], chain: Chain = P256) -> Requester:
    """A phone that got these responses."""
    requester = phone(chain)
    replay(requester, responses)
    return requester


# ── Bytes that are changed on the way ────────────────────────────────────────────────────────────────


@each_chain
def test_what_was_said_is_believed_again(chain: Chain) -> None:
    """Or the tests below would prove nothing."""
    assert believed(after((r for _, r in SAID[chain]), chain))


@pytest.mark.parametrize(("chain", "flips"), [(P256, (0x01, 0xFF)), (P384, (0x80,))], ids=["P-256", "P-384"])
def test_no_byte_of_a_response_can_be_changed(chain: Chain, flips: tuple[int, ...]) -> None:
    responses = [r for _, r in SAID[chain]]
    for n, response in enumerate(responses):
        for i in range(len(response)):
            for flip in flips:
                changed = bytearray(response)
                changed[i] ^= flip
                requester = after(iter([*responses[:n], bytes(changed), *responses[n + 1 :]]), chain)
                assert not believed(requester), f"byte {i} of response {n}, {flip:#04x}"


def test_no_byte_of_a_request_can_be_changed() -> None:
    for n, request in enumerate(REQUESTS):
        for i in range(len(request)):
            for flip in (1 << i % 8, 0xFF):

                def up(at: int, message: bytes, where: tuple[int, int, int] = (n, i, flip)) -> bytes:
                    changed = bytearray(message)
                    if at == where[0]:
                        changed[where[1]] ^= where[2]
                    return bytes(changed)

                requester = phone()
                converse(requester, module().respond, up=up)
                assert not believed(requester), f"byte {i} of request {n}, {flip:#04x}"


# ── Messages of another shape ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", STEPS)
def test_no_response_can_be_cut_or_lengthened(n: int) -> None:
    response = RESPONSES[n]
    shapes = [response[:size] for size in range(len(response))]
    shapes += [response + bytes(size) for size in (1, 2, 100)]
    for shape in shapes:
        requester = after(iter([*RESPONSES[:n], shape, *RESPONSES[n + 1 :]]))
        assert not believed(requester), len(shape)
        assert requester.outcome


@pytest.mark.parametrize("n", STEPS)
def test_a_response_larger_than_a_packet_is_not_even_read(n: int) -> None:
    requester = after(iter([*RESPONSES[:n], RESPONSES[n] + bytes(10_000_000)]))
    assert requester.outcome
    assert requester.outcome.doubt is Doubt.MALFORMED


@pytest.mark.parametrize("n", STEPS)
def test_no_response_can_stand_in_for_another(n: int) -> None:
    for other in STEPS:
        if other != n:
            assert not believed(after(iter([*RESPONSES[:n], RESPONSES[other], *RESPONSES[n + 1 :]])))
    assert not believed(after(iter([*RESPONSES[:n], *RESPONSES[n + 1 :]])))
    if n < STEPS[-1]:  # what comes after the last is not heard
        assert not believed(after(iter([*RESPONSES[: n + 1], *RESPONSES[n:]])))


def test_what_was_signed_for_one_phone_convinces_no_other() -> None:
    """The nonce is the phone's: a recording of yesterday proves nothing."""
    requester = phone()
    requester._nonce = lambda: bytes(32)
    replay(requester, iter(RESPONSES))
    assert requester.outcome
    assert requester.outcome.doubt is Doubt.SIGNATURE


# ── Noise ────────────────────────────────────────────────────────────────────────────────────────────

some_bytes = st.binary(max_size=80)
messages = st.builds(
    lambda head, tail: bytes(head) + tail,
    st.tuples(st.sampled_from((0x10, 0x12, 0x13)), st.sampled_from([r[1] for r in RESPONSES] + [0x7F])),
    some_bytes,
)


@given(n=st.sampled_from(STEPS), noise=st.lists(some_bytes | messages, max_size=12))
@settings(max_examples=300)
def test_noise_convinces_nobody(n: int, noise: list[bytes]) -> None:
    requester = after(joined(RESPONSES[:n], noise))
    assert not believed(requester)


@given(n=st.sampled_from(STEPS), error=st.binary(min_size=2, max_size=40))
def test_errors_convince_nobody_and_come_to_an_end(n: int, error: bytes) -> None:
    requester = after(joined(RESPONSES[:n], repeat(bytes((0x12, 0x7F)) + error, 100)))
    assert requester.outcome
    assert requester.outcome.level is TrustLevel.REJECTED


@given(n=st.sampled_from(STEPS), i=st.integers(0, 5000), with_=st.binary(min_size=1, max_size=6))
@settings(max_examples=300)
def test_no_part_of_a_response_can_be_replaced(n: int, i: int, with_: bytes) -> None:
    response = RESPONSES[n]
    at = i % len(response)
    changed = response[:at] + with_ + response[at + len(with_) :]
    if changed != response:
        assert not believed(after(iter([*RESPONSES[:n], changed, *RESPONSES[n + 1 :]])))


# ── Requests without order ───────────────────────────────────────────────────────────────────────────


def changed_requests(draw: Callable[[st.SearchStrategy[bytes]], bytes]) -> bytes:
    request = bytearray(draw(st.sampled_from(REQUESTS)))
    for at in range(min(len(request), 12)):
        if draw(st.sampled_from((b"", b"", b"", b"", b"", b"x"))):
            request[at] = draw(st.binary(min_size=1, max_size=1))[0]
    return bytes(request)


requests = st.sampled_from(REQUESTS) | st.composite(changed_requests)() | st.binary(max_size=60)


@given(st.lists(requests, max_size=20), st.booleans())
@example([bytes(limits.SPDM_MESSAGE + 1), bytes(limits.SPDM_MESSAGE)], False)
@settings(max_examples=300)
def test_a_responder_answers_anything(asked: list[bytes], busy: bool) -> None:
    responder = module(P256, P384)
    responder.busy = busy
    for request in asked:
        response = responder.respond(request)
        assert 4 <= len(response) <= limits.SPDM_MESSAGE
        if response[1] == Code.ERROR:
            m.Error.decode(response, version=response[0])
            assert response[0] in (0x10, 0x12)
        else:
            assert response[:2] == bytes((request[0], request[1] - 0x80))


@given(st.lists(requests, max_size=20))
def test_a_responder_that_was_confused_can_still_prove_itself(asked: list[bytes]) -> None:
    responder = module()
    for request in asked:
        responder.respond(request)
    requester = phone()
    converse(requester, responder.respond)
    assert believed(requester)
