"""The requester: it asks until it knows what to think of a module, and believes nothing that is not signed.

Plan: what it begins with and ends in · the requester · asking, with what a responder may put off · the steps.

The steps are one generator, in the order in which they happen; `receive` wakes it with a response and gets the next
request. Whatever a response is, the end is an `Outcome`: what a peer sends raises nothing. Time is the owner's: `wait`
says how long to let a responder that asked for it have, and tAuth ends everything.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.packets import TrustLevel
from opalink.protocol.spdm import messages as m
from opalink.protocol.spdm.algorithms import (
    ASYMS,
    CHALLENGE_CONTEXT,
    HASHES,
    MEASUREMENTS_CONTEXT,
    Asym,
    Hash,
    Transcript,
    verify,
)
from opalink.protocol.spdm.chain import MAX_CHAIN, ChainError, Moment, split_chain, verify_chain
from opalink.protocol.spdm.layout import VERSION, Cursor, Message
from opalink.protocol.spdm.messages import Capability, Code, ErrorCode, Summary
from opalink.protocol.spdm.trust import SESSION_INDEX
from opalink.spec import limits

_ATTEMPTS: Final = 3  # how often one authentication may be put off or begun anew
_BUSY_WAIT: Final = 100_000  # µs: ST1, in which a responder that does no cryptography answers
_PORTION: Final = limits.SPDM_MESSAGE - 8
_PORTIONS: Final = 64  # requests for one chain: four times what the longest needs
_SET_ASIDE: Final = (Code.GET_VERSION, Code.GET_CAPABILITIES, Code.NEGOTIATE_ALGORITHMS)  # never ResponseNotReady

# ── What it begins with and ends in ──────────────────────────────────────────────────────────────────


class Doubt(StrEnum):
    """Why a module was not believed."""

    MALFORMED = "malformed"  # a message is not what its layout says, or not the answer to the request
    ERROR = "error"  # the responder refused
    GAVE_UP = "gave up"  # the responder put it off too often
    VERSION = "version"  # no version in common
    CAPABILITY = "capability"  # it cannot prove itself
    ALGORITHM = "algorithm"  # it chose what was not offered
    CHAIN = "chain"  # its certificates lead to no trusted root
    DIGEST = "digest"  # chain and digest do not agree
    SIGNATURE = "signature"  # a signature is not over what was said
    MEASUREMENT = "measurement"  # what was measured is not what should be


class Doubted(Exception):  # noqa: N818  a conclusion, not a fault of this program
    """The one class of what is wrong with a responder."""

    def __init__(self, doubt: Doubt, detail: str) -> None:
        super().__init__(doubt, detail)
        self.doubt, self.detail = doubt, detail


class _Begin(Exception):  # noqa: N818
    """The responder has lost what was agreed on."""


class Outcome(Struct, frozen=True):
    """What to think of a module. `chain` is its certificate chain, to be given as `known` the next time."""

    level: TrustLevel
    doubt: Doubt | None = None
    detail: str = ""
    chain: bytes = b""
    measurements: Mapping[int, bytes] = {}


class Ask(Struct, frozen=True):
    """The next request, to be sent in `wait` µs at the earliest."""

    message: bytes
    wait: int = 0


class Expected(Struct, frozen=True):
    """What measurements must be: `session` that of the session's own payloads (`trust.session_digest`), `references`
    those of the firmware by index, one or any of a set. Without references there is nothing that firmware could be
    found equal to."""

    session: bytes | None = None
    references: Mapping[int, bytes | frozenset[bytes]] = {}


_M = TypeVar("_M", bound=Message)
_Talk = Generator[Ask, bytes, _M]


# ── The requester ────────────────────────────────────────────────────────────────────────────────────


class Requester:
    """A phone's side of SPDM, for one authentication.

    `roots` are trusted; None: so is whatever a chain begins with, for a tester to whom all makers are alike. `now` is
    the time at which certificates must be valid; None: when they were issued. `nonce` gives 32 bytes that nobody can
    foresee; `known` are chains read before, which are not read again while their digest is the same."""

    def __init__(
        self,
        roots: Iterable[x509.Certificate] | None,
        now: Moment | None,
        nonce: Callable[[], bytes],
        expected: Expected = Expected(),  # noqa: B008  frozen
        *,
        known: Iterable[bytes] = (),
        slot: int = 0,
    ) -> None:
        if not 0 <= slot < m.SLOTS:
            raise ValueError(f"there is no slot {slot}")
        self._roots = None if roots is None else tuple(roots)
        self._now, self._nonce, self._expected = now, nonce, expected
        self._known, self._slot = tuple(known), slot
        self._left = _ATTEMPTS
        self._talk = self._authenticate()
        self.outcome: Outcome | None = None
        self.step: Code | None = None  # the request that is open
        self.ct_exponent: int | None = None  # the responder signs within 2^n µs, once it has said so

    def start(self) -> Ask:
        """The first request. Raises ValueError the second time."""
        if self.step is not None:
            raise ValueError("this requester has been started before")
        return next(self._talk)

    def receive(self, response: bytes) -> Ask | None:
        """The request that follows upon a response; None when `outcome` is there. Raises ValueError if no request is
        open."""
        if self.step is None or self.outcome is not None:
            raise ValueError("no request of this requester is open")
        try:
            return self._talk.send(bytes(response))
        except StopIteration as end:
            self.outcome = end.value
        return None

    def _authenticate(self) -> Generator[Ask, bytes, Outcome]:
        while True:
            try:
                return (yield from self._attempt())
            except _Begin:
                continue
            except Doubted as doubted:
                return Outcome(TrustLevel.REJECTED, doubted.doubt, doubted.detail)
            except ChainError as error:
                return Outcome(TrustLevel.REJECTED, Doubt.CHAIN, str(error))
            except DecodeError as error:
                return Outcome(TrustLevel.REJECTED, Doubt.MALFORMED, str(error))

    # ── Asking ──

    def _ask(self, request: bytes) -> Generator[Ask, bytes, bytes]:
        """The response to a request that is no ERROR, however often it is put off."""
        self.step = Code(request[1])
        ask = Ask(request)
        while True:
            response = yield ask
            if len(response) > limits.SPDM_MESSAGE:
                raise Doubted(Doubt.MALFORMED, f"a response of {len(response)} bytes")
            if response[1:2] != bytes((Code.ERROR,)):
                return response
            ask = self._put_off(request, response)

    def _put_off(self, request: bytes, response: bytes) -> Ask:
        """What to ask instead, after an ERROR that lets one ask again."""
        # A responder that has lost its state has no version but that of GET_VERSION.
        version = response[0] if response[0] in (VERSION, m.Version.VERSION) else VERSION
        error = m.Error.decode(response, version=version)
        name = ErrorCode(error.error).name if error.error in tuple(ErrorCode) else f"{error.error:#04x}"
        again = (ErrorCode.BUSY, ErrorCode.RESPONSE_NOT_READY, ErrorCode.REQUEST_RESYNCH)
        if error.error not in again:
            raise Doubted(Doubt.ERROR, f"{Code(request[1]).name} was answered with ERROR {name}")
        self._left -= 1
        if self._left < 0:
            raise Doubted(Doubt.GAVE_UP, f"{Code(request[1]).name} was put off with ERROR {name} once more")
        if error.error == ErrorCode.REQUEST_RESYNCH:
            raise _Begin
        if error.error == ErrorCode.BUSY:
            return Ask(request, _BUSY_WAIT)
        cursor = Cursor(error.extended)
        later = m.NotReady.read(cursor, {})
        if cursor.left or later.request != request[1] or request[1] in _SET_ASIDE:
            raise Doubted(Doubt.MALFORMED, "ResponseNotReady does not suit the request")
        return Ask(m.RespondIfReady(request=request[1], token=later.token).encode(), 1 << later.exponent)

    def _exchange(self, request: Message, answer: type[_M], transcript: Transcript) -> _Talk[_M]:
        """A request and its response of A."""
        sent = request.encode()
        response = yield from self._ask(sent)
        transcript.negotiation(sent, response)
        return answer.decode(response)

    # ── The steps ──

    def _attempt(self) -> Generator[Ask, bytes, Outcome]:
        transcript = Transcript()
        version = yield from self._exchange(m.GetVersion(), m.Version, transcript)
        if not any(entry >> 8 == VERSION and not entry & 0x0F for entry in version.entries):
            raise Doubted(Doubt.VERSION, "the module does not speak SPDM 1.2")
        flags = yield from self._ask_capabilities(transcript)
        chosen = yield from self._ask_algorithms(flags, transcript)
        sizes = {"H": chosen.hash.size, "S": chosen.asym.size, "M": 0}

        digests = yield from self._ask_digests(sizes, transcript)
        chain = next((c for c in self._known if chosen.hash.digest(c) == digests.by_slot[self._slot]), None)
        if chain is None:
            chain = yield from self._ask_chain(transcript)
        if chosen.hash.digest(chain) != digests.by_slot[self._slot]:
            raise Doubted(Doubt.DIGEST, "the chain does not have the digest that was given for it")
        alias = Capability.ALIAS_CERT in flags
        roots, now = self._trusted(chain, chosen.hash)
        key = verify_chain(chain, chosen.hash, chosen.asym, roots, now, alias=alias)

        yield from self._challenge(chosen, sizes, digests, key, transcript)
        if Capability.MEAS_SIGNED not in flags:
            return Outcome(TrustLevel.GENUINE, chain=chain)
        found = yield from self._measure(chosen, sizes, key, transcript)
        return Outcome(self._judge(found), chain=chain, measurements=found)

    def _ask_capabilities(self, transcript: Transcript) -> Generator[Ask, bytes, Capability]:
        ask = m.GetCapabilities(data_transfer_size=limits.SPDM_MESSAGE, max_message_size=limits.SPDM_MESSAGE)
        answer = yield from self._exchange(ask, m.Capabilities, transcript)
        flags = Capability(answer.flags)
        if answer.data_transfer_size > answer.max_message_size:
            raise Doubted(Doubt.MALFORMED, "the module takes more at a time than altogether")
        if (
            Capability.MEAS_UNSIGNED | Capability.MEAS_SIGNED in flags
            or Capability.CERT | Capability.PUB_KEY_ID in flags
        ):
            raise Doubted(Doubt.MALFORMED, "the module's capabilities contradict each other")
        if Capability.CERT | Capability.CHAL not in flags:
            raise Doubted(Doubt.CAPABILITY, "the module answers no challenge or shows no certificate")
        self.ct_exponent = answer.ct_exponent
        return flags

    def _ask_algorithms(self, flags: Capability, transcript: Transcript) -> "Generator[Ask, bytes, _Chosen]":
        ask = m.NegotiateAlgorithms(
            measurement_specification=m.DMTF_MEASUREMENTS,
            other_params=m.OPAQUE_FORMAT_1,
            base_asym=ASYMS,
            base_hash=HASHES,
        )
        answer = yield from self._exchange(ask, m.Algorithms, transcript)
        if answer.base_hash not in tuple(Hash) or answer.base_asym not in tuple(Asym):
            raise Doubted(Doubt.ALGORITHM, "the module chose no algorithm, more than one, or one that was not offered")
        opaque = answer.other_params & m.OPAQUE_FORMATS
        if answer.table_count or answer.ext_asym_count or answer.ext_hash_count or opaque & ~m.OPAQUE_FORMAT_1:
            raise Doubted(Doubt.ALGORITHM, "the module answers for algorithms that were not offered")
        measured = Capability.MEAS_SIGNED in flags
        if measured and (answer.measurement_specification, answer.measurement_hash.bit_count()) != (1, 1):
            raise Doubted(Doubt.ALGORITHM, "the module measures and chose no way to")
        transcript.agree(Hash(answer.base_hash))
        return _Chosen(Hash(answer.base_hash), Asym(answer.base_asym), bool(opaque))

    def _ask_digests(self, sizes: Mapping[str, int], transcript: Transcript) -> _Talk[m.Digests]:
        sent = m.GetDigests().encode()
        response = yield from self._ask(sent)
        transcript.identity(sent, response, first=True)
        digests = m.Digests.decode(response, sizes)
        if self._slot not in digests.by_slot:
            raise Doubted(Doubt.CHAIN, f"slot {self._slot} is empty")
        return digests

    def _ask_chain(self, transcript: Transcript) -> Generator[Ask, bytes, bytes]:
        chain = b""
        for _ in range(_PORTIONS):
            sent = m.GetCertificate(slot=self._slot, offset=len(chain), length=_PORTION).encode()
            response = yield from self._ask(sent)
            transcript.identity(sent, response)
            answer = m.Certificate.decode(response)
            if answer.slot & 0x0F != self._slot or not 0 < answer.portion_length <= _PORTION:
                raise Doubted(Doubt.MALFORMED, "a portion of a chain that was not asked for")
            chain += answer.portion
            if len(chain) + answer.remainder_length > MAX_CHAIN:
                raise Doubted(Doubt.MALFORMED, f"a chain of more than {MAX_CHAIN} bytes")
            if not answer.remainder_length:
                return chain
        raise Doubted(Doubt.GAVE_UP, f"the chain did not end within {_PORTIONS} portions")

    def _trusted(self, chain: bytes, algorithm: Hash) -> tuple[tuple[x509.Certificate, ...], Moment]:
        """By whom and for when a chain is judged."""
        if self._roots is not None and self._now is not None:
            return self._roots, self._now
        _, held = split_chain(chain, algorithm)
        issued = max(c.not_valid_before_utc for c in held)
        return (held[0],) if self._roots is None else self._roots, self._now or issued

    def _challenge(
        self,
        chosen: "_Chosen",
        sizes: Mapping[str, int],
        digests: m.Digests,
        key: ec.EllipticCurvePublicKey,
        transcript: Transcript,
    ) -> Generator[Ask, bytes, None]:
        sent = m.Challenge(slot=self._slot, summary=Summary.NONE, nonce=self._nonce()).encode()
        response = yield from self._ask(sent)
        answer = m.ChallengeAuth.decode(response, sizes)
        chosen.check_opaque(answer.opaque)
        if answer.attributes & 0x8F != self._slot or answer.slot_mask != digests.slot_mask:
            raise Doubted(Doubt.MALFORMED, "the challenge was answered for another slot, or with a challenge")
        if answer.chain_hash != digests.by_slot[self._slot]:
            raise Doubted(Doubt.DIGEST, "the challenge was answered for another chain")
        digest = transcript.challenge(sent, response[: -chosen.asym.size])
        if not verify(key, chosen.hash, CHALLENGE_CONTEXT, digest, answer.signature):
            raise Doubted(Doubt.SIGNATURE, "the challenge's answer is not signed by the chain's key")

    def _measure(
        self,
        chosen: "_Chosen",
        sizes: Mapping[str, int],
        key: ec.EllipticCurvePublicKey,
        transcript: Transcript,
    ) -> Generator[Ask, bytes, dict[int, bytes]]:
        ask = m.GetMeasurements(attributes=m.SIGNED, operation=m.ALL_MEASUREMENTS, nonce=self._nonce(), slot=self._slot)
        sent = ask.encode()
        response = yield from self._ask(sent)
        answer = m.Measurements.decode(response, sizes)
        chosen.check_opaque(answer.opaque)
        if answer.slot & 0x0F != self._slot:
            raise Doubted(Doubt.MALFORMED, "the measurements are signed for another slot")
        digest = transcript.measurement(sent, response[: -chosen.asym.size])
        if not verify(key, chosen.hash, MEASUREMENTS_CONTEXT, digest, answer.signature):
            raise Doubted(Doubt.SIGNATURE, "the measurements are not signed by the chain's key")
        return read_record(answer)

    def _judge(self, found: Mapping[int, bytes]) -> TrustLevel:
        """The level that the measurements deserve; Doubted if one is not what it must be."""
        session = self._expected.session
        if session is not None and found.get(SESSION_INDEX) != session:
            raise Doubted(Doubt.MEASUREMENT, "the module saw another BEACON, HELLO or LINK_PARAMS than the phone")
        for index, value in self._expected.references.items():
            if found.get(index) not in (value if isinstance(value, frozenset) else (value,)):
                raise Doubted(Doubt.MEASUREMENT, f"measurement {index:#04x} is not what its maker released")
        return TrustLevel.MEASURED if self._expected.references else TrustLevel.GENUINE


class _Chosen(Struct, frozen=True):
    """What was agreed on."""

    hash: Hash
    asym: Asym
    opaque: bool

    def check_opaque(self, data: bytes) -> None:
        if data and not self.opaque:
            raise Doubted(Doubt.MALFORMED, "opaque data, for which no format was agreed on")


def read_record(answer: m.Measurements) -> dict[int, bytes]:
    """The values of the measurements in a record, by index. Raises DecodeError."""
    cursor = Cursor(answer.record)
    found: dict[int, bytes] = {}
    for i in range(answer.block_count):
        at = cursor.at
        block = m.MeasurementBlock.read(cursor, {}, f"record[{i}]")
        if block.size != 3 + block.value_size:
            raise DecodeError(Fault.RANGE, f"record[{i}].size", at + 2, "is not what the value needs", block.size)
        if block.index in found:
            raise DecodeError(Fault.RANGE, f"record[{i}].index", at, "came before", block.index)
        found[block.index] = block.value
    if cursor.left:
        raise DecodeError(Fault.LONG, "record", cursor.at, f"{cursor.left} bytes are left over")
    return found
