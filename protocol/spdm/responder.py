"""The responder: a request comes in, a response goes out, and nothing ever raises.

Plan: what a module shows · what a connection has agreed on · the responder (in, order of requests, negotiation,
identity, measurement) · rules of capabilities.

An order of requests that SPDM does not know is UnexpectedRequest; a request that is malformed or asks for what is not
there is InvalidRequest; a version that was not agreed on is VersionMismatch; a code that is not spoken here is
UnsupportedRequest with that code. No request that is refused leaves a trace in a transcript. Where the standard's text
is silent, DMTF's libspdm decides, which most modules will be built with.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from opalink.protocol.errors import DecodeError
from opalink.protocol.spdm import messages as m
from opalink.protocol.spdm.algorithms import (
    ASYMS,
    CHALLENGE_CONTEXT,
    HASHES,
    MEASUREMENTS_CONTEXT,
    Asym,
    Hash,
    Transcript,
    asym_of,
    sign,
)
from opalink.protocol.spdm.chain import build_chain
from opalink.protocol.spdm.layout import VERSION, Message
from opalink.protocol.spdm.messages import Capability, Code, ErrorCode, Summary
from opalink.spec import limits

_FIRST_VERSION: Final = 0x10  # of GET_VERSION, and of errors while nothing is agreed on
_CT_EXPONENT: Final = 17  # 131 ms, within the nominal tAuth even for two signatures
_CAPABILITIES: Final = Capability.CERT | Capability.CHAL | Capability.MEAS_SIGNED | Capability.MEAS_FRESH
_CERTIFICATE_HEAD: Final = 8

# ── What a module shows ──────────────────────────────────────────────────────────────────────────────


class Measurement(Struct, frozen=True):
    """What one index stands for: a digest (SHA-256) or, with `raw`, the bytes. `tcb` says that it is part of what all
    else rests on."""

    value: bytes
    type: int = m.ValueType.MUTABLE_FIRMWARE
    raw: bool = False
    tcb: bool = False

    def block(self, index: int) -> bytes:
        """The measurement block of `index`, 1 to 0xFE."""
        return m.MeasurementBlock(
            index=index,
            size=3 + len(self.value),
            value_type=self.type | (m.RAW if self.raw else 0),
            value_size=len(self.value),
            value=self.value,
        ).write({})


class Credential(Struct, frozen=True):
    """A key and the certificates from the root to its own. Slots hold one per algorithm."""

    key: ec.EllipticCurvePrivateKey
    certificates: tuple[x509.Certificate, ...]
    slot: int = 0


class Identity:
    """What a module proves itself with. `measure` gives its measurements by index as they are at this moment; `nonce`
    gives 32 bytes that nobody can foresee (`os.urandom`, unless a run is to be repeated)."""

    def __init__(
        self,
        credentials: Sequence[Credential],
        measure: Callable[[], Mapping[int, Measurement]],
        nonce: Callable[[], bytes],
    ) -> None:
        self.measure, self.nonce = measure, nonce
        self.credentials: dict[Asym, dict[int, Credential]] = {}
        for credential in credentials:
            asym = asym_of(credential.key.public_key())
            if asym is None:
                raise ValueError(f"a key on {credential.key.curve.name} cannot sign here")
            if not 0 <= credential.slot < m.SLOTS:
                raise ValueError(f"there is no slot {credential.slot}")
            if not credential.certificates or credential.certificates[-1].public_key() != credential.key.public_key():
                raise ValueError(f"the last certificate of slot {credential.slot} is not that of its key")
            self.credentials.setdefault(asym, {})[credential.slot] = credential
        if not self.credentials:
            raise ValueError("an identity has at least one credential")

    @property
    def algorithms(self) -> int:
        return sum(self.credentials)


# ── What a connection has agreed on ──────────────────────────────────────────────────────────────────


class _Step(IntEnum):
    NOTHING = 0
    VERSION = 1
    CAPABILITIES = 2
    NEGOTIATED = 3


class _Refusal(Exception):  # noqa: N818  an ERROR to be, not a fault of this program
    def __init__(self, code: ErrorCode, data: int = 0, extended: bytes = b"") -> None:
        super().__init__(code)
        self.message = m.Error(error=code, data=data, extended=extended)


class _Agreed:
    """A connection, from its GET_VERSION on."""

    def __init__(self) -> None:
        self.step = _Step.NOTHING
        self.version = _FIRST_VERSION
        self.transcript = Transcript()
        self.room = limits.SPDM_MESSAGE  # bytes of a response; none is made in chunks
        self.measures = False
        self.hash = Hash.SHA_256
        self.asym = Asym.ECDSA_P256
        self.chains: dict[int, bytes] = {}
        self.keys: dict[int, ec.EllipticCurvePrivateKey] = {}

    def sizes(self, *, summary: bool = False) -> dict[str, int]:
        """Of a response without its signature, which is made over it."""
        return {"H": self.hash.size, "S": 0, "M": self.hash.size if summary else 0}

    def fit(self, size: int) -> None:
        """Raises _Refusal for a response that the requester cannot take whole."""
        if size > self.room:
            raise _Refusal(ErrorCode.RESPONSE_TOO_LARGE, extended=size.to_bytes(4, "little"))

    @property
    def slot_mask(self) -> int:
        return sum(1 << slot for slot in self.chains)

    def slot(self, number: int) -> int:
        """A slot that is filled. Raises _Refusal."""
        if number not in self.chains:
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        return number


# ── The responder ────────────────────────────────────────────────────────────────────────────────────


class Responder:
    """A module's side of SPDM. It has no clock: how long an answer takes is its owner's business."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.busy = False  # every request is put off with Busy
        self._agreed = _Agreed()
        self._lost = False

    def forget(self) -> None:
        """What was agreed on is lost, as after a reset: the requester is told to begin again (RequestResynch)."""
        self._agreed, self._lost = _Agreed(), True

    # ── In ──

    def respond(self, request: bytes) -> bytes:
        """The response to a request, whatever that is."""
        try:
            return self._dispatch(request)
        except _Refusal as refusal:
            return self._refuse(refusal, request)
        except DecodeError:
            return self._refuse(_Refusal(ErrorCode.INVALID_REQUEST), request)

    def _refuse(self, refusal: _Refusal, request: bytes) -> bytes:
        if request[1:2] == bytes((Code.GET_MEASUREMENTS,)):
            self._agreed.transcript.measured()
        asks_version = request[1:2] == bytes((Code.GET_VERSION,))
        return refusal.message.encode(version=_FIRST_VERSION if asks_version else self._agreed.version)

    def _dispatch(self, request: bytes) -> bytes:
        if len(request) < 4:
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        if len(request) > limits.SPDM_MESSAGE:
            raise _Refusal(ErrorCode.REQUEST_TOO_LARGE)
        version, code = request[0], request[1]
        if code == Code.GET_VERSION:
            if version != _FIRST_VERSION:
                raise _Refusal(ErrorCode.VERSION_MISMATCH)
            return self._version(request)
        if self._lost:
            raise _Refusal(ErrorCode.REQUEST_RESYNCH)
        if code not in self._ORDER:
            raise _Refusal(ErrorCode.UNSUPPORTED_REQUEST, code)
        handler, step = self._ORDER[code]
        if self._agreed.version == VERSION != version:
            raise _Refusal(ErrorCode.VERSION_MISMATCH)
        if self._agreed.step is not step:
            raise _Refusal(ErrorCode.UNEXPECTED_REQUEST)
        if version != VERSION:
            raise _Refusal(ErrorCode.VERSION_MISMATCH)
        self._agreed.version = version  # GET_CAPABILITIES settles it, well-formed or not
        if self.busy:
            raise _Refusal(ErrorCode.BUSY)
        return handler(self, request)

    # ── Negotiation ──

    def _version(self, request: bytes) -> bytes:
        m.GetVersion.decode(request)
        if self.busy:
            raise _Refusal(ErrorCode.BUSY)
        self._agreed, self._lost = _Agreed(), False
        self._agreed.step = _Step.VERSION
        return self._said(request, m.Version(count=1, entries=(VERSION << 8,)))

    def _said(self, request: bytes, message: Message) -> bytes:
        response = message.encode()
        self._agreed.fit(len(response))
        self._agreed.transcript.negotiation(request, response)
        return response

    def _capabilities(self, request: bytes) -> bytes:
        ask = m.GetCapabilities.decode(request)
        chunks = ask.flags & Capability.CHUNK
        if (
            not requester_may(Capability(ask.flags))
            or ask.data_transfer_size > ask.max_message_size
            or (not chunks and ask.data_transfer_size != ask.max_message_size)
        ):
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        answer = m.Capabilities(
            ct_exponent=_CT_EXPONENT,
            flags=_CAPABILITIES,
            data_transfer_size=limits.SPDM_MESSAGE,
            max_message_size=limits.SPDM_MESSAGE,
        )
        response = self._said(request, answer)
        self._agreed.step = _Step.CAPABILITIES
        self._agreed.room = min(ask.data_transfer_size, limits.SPDM_MESSAGE)
        return response

    def _algorithms(self, request: bytes) -> bytes:
        ask = m.NegotiateAlgorithms.decode(request)
        extended = ask.ext_asym_count + ask.ext_hash_count + sum(len(t.external) // 4 for t in ask.tables)
        types = [t.type for t in ask.tables]
        hashes, asyms = ask.base_hash & HASHES, ask.base_asym & ASYMS & self.identity.algorithms
        if (
            ask.length > m.MAX_NEGOTIATION
            or extended > m.MAX_EXTENDED
            or types != sorted(set(types))
            or any(len(t.fixed) != 2 or not any(t.fixed) for t in ask.tables)
            or not hashes
            or not asyms
            or (ask.measurement_specification and not ask.measurement_specification & m.DMTF_MEASUREMENTS)
        ):
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        agreed = self._agreed
        agreed.hash = Hash(1 << hashes.bit_length() - 1)
        agreed.asym = Asym(1 << asyms.bit_length() - 1)
        agreed.measures = bool(ask.measurement_specification)
        held = self.identity.credentials[agreed.asym]
        agreed.chains = {n: build_chain(held[n].certificates, agreed.hash) for n in sorted(held)}
        agreed.keys = {n: c.key for n, c in held.items()}
        answer = m.Algorithms(
            measurement_specification=m.DMTF_MEASUREMENTS if agreed.measures else 0,
            other_params=0,  # nothing opaque is said here
            measurement_hash=m.MeasurementHash.SHA_256 if agreed.measures else 0,
            base_asym=agreed.asym,
            base_hash=agreed.hash,
            # Every table is answered; none of what they speak of is done without a session.
            table_count=len(ask.tables),
            tables=tuple(m.AlgorithmTable(type=t.type, fixed=bytes(2)) for t in ask.tables),
        )
        response = self._said(request, answer)
        agreed.step = _Step.NEGOTIATED
        agreed.transcript.agree(agreed.hash)
        return response

    # ── Identity ──

    def _digests(self, request: bytes) -> bytes:
        m.GetDigests.decode(request)
        agreed = self._agreed
        digests = tuple(agreed.hash.digest(chain) for chain in agreed.chains.values())
        response = m.Digests(slot_mask=agreed.slot_mask, digests=digests).encode(agreed.sizes())
        agreed.fit(len(response))
        agreed.transcript.identity(request, response, first=True)
        return response

    def _certificate(self, request: bytes) -> bytes:
        ask = m.GetCertificate.decode(request)
        agreed = self._agreed
        slot = agreed.slot(ask.slot & 0x0F)
        chain = agreed.chains[slot]
        if ask.offset >= len(chain):
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        portion = chain[ask.offset : ask.offset + min(ask.length, agreed.room - _CERTIFICATE_HEAD)]
        response = m.Certificate(
            slot=slot,
            portion_length=len(portion),
            remainder_length=len(chain) - ask.offset - len(portion),
            portion=portion,
        ).encode()
        agreed.transcript.identity(request, response)
        return response

    def _challenge(self, request: bytes) -> bytes:
        ask = m.Challenge.decode(request)
        agreed = self._agreed
        slot = agreed.slot(ask.slot)
        wanted = ask.summary != Summary.NONE
        if ask.summary not in tuple(Summary) or (wanted and not agreed.measures):
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        answer = m.ChallengeAuth(
            attributes=slot,
            slot_mask=agreed.slot_mask,
            chain_hash=agreed.hash.digest(agreed.chains[slot]),
            nonce=self.identity.nonce(),
            summary_hash=agreed.hash.digest(summarize(self.identity.measure(), ask.summary)) if wanted else b"",
        ).encode(agreed.sizes(summary=wanted))
        agreed.fit(len(answer) + agreed.asym.size)
        digest = agreed.transcript.challenge(request, answer)
        return answer + sign(agreed.keys[slot], agreed.hash, CHALLENGE_CONTEXT, digest)

    # ── Measurement ──

    def _measurements(self, request: bytes) -> bytes:
        ask = m.GetMeasurements.decode(request)
        agreed = self._agreed
        signed = bool(ask.attributes & m.SIGNED)
        if not agreed.measures:
            raise _Refusal(ErrorCode.UNEXPECTED_REQUEST)
        slot = agreed.slot(ask.slot & 0x0F) if signed else 0
        held = self.identity.measure()
        count_only = ask.operation == m.NO_MEASUREMENT
        if ask.operation == m.ALL_MEASUREMENTS:
            chosen = sorted(held)
        elif count_only:
            chosen = []
        elif ask.operation in held:
            chosen = [ask.operation]
        else:
            raise _Refusal(ErrorCode.INVALID_REQUEST)
        answer = m.Measurements(
            total=len(held) if count_only else 0,
            slot=slot,
            block_count=len(chosen),
            record=b"".join(held[i].block(i) for i in chosen),
            nonce=self.identity.nonce(),
        ).encode(agreed.sizes())
        agreed.fit(len(answer) + (agreed.asym.size if signed else 0))
        digest = agreed.transcript.measurement(request, answer)
        if not signed:
            return answer
        agreed.transcript.measured()
        return answer + sign(agreed.keys[slot], agreed.hash, MEASUREMENTS_CONTEXT, digest)

    # What answers a code, and the step at which it may come; GET_VERSION may always.
    _ORDER: Final[Mapping[int, tuple[Callable[["Responder", bytes], bytes], _Step]]] = {
        Code.GET_CAPABILITIES: (_capabilities, _Step.VERSION),
        Code.NEGOTIATE_ALGORITHMS: (_algorithms, _Step.CAPABILITIES),
        Code.GET_DIGESTS: (_digests, _Step.NEGOTIATED),
        Code.GET_CERTIFICATE: (_certificate, _Step.NEGOTIATED),
        Code.CHALLENGE: (_challenge, _Step.NEGOTIATED),
        Code.GET_MEASUREMENTS: (_measurements, _Step.NEGOTIATED),
    }


def summarize(measurements: Mapping[int, Measurement], which: int) -> bytes:
    """The blocks that a measurement summary hash is over, in the order of their indices."""
    every = which == Summary.ALL
    return b"".join(measurements[i].block(i) for i in sorted(measurements) if every or measurements[i].tcb)


# ── Rules of capabilities ────────────────────────────────────────────────────────────────────────────


def requester_may(flags: Capability) -> bool:
    """Whether a requester may have these capabilities together (DSP0274, "Flag fields of the Requester")."""
    has = flags.__contains__
    keys = has(Capability.CERT) or has(Capability.PUB_KEY_ID)
    sessions = has(Capability.KEY_EX) or has(Capability.PSK)
    of_sessions = (
        Capability.ENCRYPT | Capability.MAC | Capability.HANDSHAKE_IN_THE_CLEAR | Capability.HBEAT | Capability.KEY_UPD
    )
    return not (
        has(Capability.PSK_WITH_CONTEXT)  # reserved for a requester
        or (sessions and not flags & (Capability.ENCRYPT | Capability.MAC))
        or (not sessions and flags & of_sessions)
        or (not has(Capability.KEY_EX) and has(Capability.HANDSHAKE_IN_THE_CLEAR))
        or (has(Capability.CERT) and has(Capability.PUB_KEY_ID))
        or (keys and not (has(Capability.CHAL) or has(Capability.KEY_EX)))
        or (not keys and flags & (Capability.CHAL | Capability.MUT_AUTH))
    )
