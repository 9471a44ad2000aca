"""What SPDM hashes and signs with, and over what: the transcripts M1/M2 and L1/L2.

Every reference module claims SHA-256, SHA-384, ECDSA on P-256 and on P-384 (the descriptor's record `security`); the
standard itself requires none. Any of the hashes goes with either of the curves.

Plan: hashes and curves · signatures · transcripts.

Source: DSP0274 1.2, "Signature generation" and "Signature verification" (the combined prefix), the clauses of
CHALLENGE_AUTH and MEASUREMENTS (M1/M2, L1/L2). ECDSA signatures are r and s, each as wide as the curve, most
significant byte first.
"""

import hashlib
from enum import IntFlag
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

# ── Hashes and curves ────────────────────────────────────────────────────────────────────────────────


class Hash(IntFlag):
    """BaseHashAlgo, as far as it is spoken here; the last is preferred."""

    SHA_256 = 1 << 0
    SHA_384 = 1 << 1

    @property
    def size(self) -> int:
        """H, the size of a digest."""
        return hashlib.new(_HASHES[self][0]).digest_size

    def new(self, data: bytes = b"") -> Any:
        """A running hash."""
        return hashlib.new(_HASHES[self][0], data)

    def digest(self, data: bytes) -> bytes:
        return bytes(self.new(data).digest())


class Asym(IntFlag):
    """BaseAsymAlgo, as far as it is spoken here; the last is preferred."""

    ECDSA_P256 = 1 << 4
    ECDSA_P384 = 1 << 7

    @property
    def curve(self) -> ec.EllipticCurve:
        return _CURVES[self]

    @property
    def size(self) -> int:
        """S, the size of a signature."""
        return 2 * (self.curve.key_size // 8)


_HASHES: Final[dict[Hash, tuple[str, hashes.HashAlgorithm]]] = {
    Hash.SHA_256: ("sha256", hashes.SHA256()),
    Hash.SHA_384: ("sha384", hashes.SHA384()),
}
_CURVES: Final[dict[Asym, ec.EllipticCurve]] = {Asym.ECDSA_P256: ec.SECP256R1(), Asym.ECDSA_P384: ec.SECP384R1()}

HASHES: Final = Hash.SHA_256 | Hash.SHA_384
ASYMS: Final = Asym.ECDSA_P256 | Asym.ECDSA_P384


def asym_of(key: object) -> Asym | None:
    """The algorithm of a public key, or None for one that is not spoken here."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    return next((asym for asym, curve in _CURVES.items() if curve.name == key.curve.name), None)


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────

_PREFIX: Final = 4 * b"dmtf-spdm-v1.2.*"
_CONTEXT_BYTES: Final = 36
CHALLENGE_CONTEXT: Final = b"responder-challenge_auth signing"
MEASUREMENTS_CONTEXT: Final = b"responder-measurements signing"


def _message(context: bytes, digest: bytes) -> bytes:
    """What is signed in place of a transcript: the combined prefix, then the transcript's digest."""
    return _PREFIX + context.rjust(_CONTEXT_BYTES, b"\0") + digest


def sign(key: ec.EllipticCurvePrivateKey, algorithm: Hash, context: bytes, digest: bytes) -> bytes:
    """The signature over a transcript's digest. The same key and digest give the same signature (RFC 6979), so that
    a run can be repeated."""
    method = ec.ECDSA(_HASHES[algorithm][1], deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(_message(context, digest), method))
    width = key.curve.key_size // 8
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def verify(key: ec.EllipticCurvePublicKey, algorithm: Hash, context: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether the key's owner signed the transcript."""
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    try:
        key.verify(der, _message(context, digest), ec.ECDSA(_HASHES[algorithm][1]))
    except InvalidSignature:
        return False
    return True


# ── Transcripts ──────────────────────────────────────────────────────────────────────────────────────


class Transcript:
    """What both sides have said, hashed as it comes, so that what is held does not grow with a chain's length.

    A is what was said of version, capabilities and algorithms; B the digests and certificates; C the challenge. M1/M2
    is A, B, C. L1/L2 is A and every measurement since the last signature. ERROR is part of neither, nor is the
    request that it answers."""

    def __init__(self) -> None:
        self._a = b""
        self._algorithm: Hash | None = None
        self._m: Any = None
        self._l: Any = None
        self._authenticated = False

    def negotiation(self, *messages: bytes) -> None:
        """A request and its response of A."""
        self._a += b"".join(messages)

    def agree(self, algorithm: Hash) -> None:
        """Ends A: from here on its digest is what is held."""
        self._algorithm = algorithm
        self._restart_m()
        self._restart_l()

    def _restart_m(self) -> None:
        self._m = self._algorithm.new(self._a) if self._algorithm else None

    def _restart_l(self) -> None:
        self._l = self._algorithm.new(self._a) if self._algorithm else None

    def identity(self, request: bytes, response: bytes, *, first: bool = False) -> None:
        """A request and its response of B. GET_DIGESTS is its `first`: what was there before is dropped."""
        if first:
            self._restart_m()
        self._restart_l()
        self._m.update(request + response)

    def challenge(self, request: bytes, response: bytes) -> bytes:
        """The digest of M1/M2, which ends with the challenge and its answer but for the signature."""
        self._m.update(request + response)
        digest = bytes(self._m.digest())
        self._restart_m()
        self._restart_l()
        self._authenticated = True
        return digest

    def measurement(self, request: bytes, response: bytes) -> bytes:
        """The digest of L1/L2 as it is with this request and its response but for the signature. Who measures
        before a challenge was answered gives M1/M2 up."""
        if not self._authenticated:
            self._restart_m()
        self._l.update(request + response)
        return bytes(self._l.digest())

    def measured(self) -> None:
        """L1/L2 ends: a signature was made over it, or a measurement was refused."""
        self._restart_l()
