"""FOR TESTS ONLY: keys and certificates of the reference modules. Every private key here is public knowledge.

They are derived from their names when they are asked for and are the same on every machine and in every run, so that
a run repeats to the byte. Never give them to a device, and never trust the root below in a phone that people use.

Plan: keys · certificates · what a phone and a module take from here · firmware.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opalink.protocol.spdm.algorithms import Asym, Hash, sign, verify
from opalink.protocol.spdm.chain import RESPONDER_AUTH, Moment
from opalink.protocol.spdm.responder import Credential
from opalink.protocol.spdm.trust import Anchors

_MARK: Final = "opalink TEST ONLY"
_FROM: Final = Moment.fromisoformat("2025-01-01T00:00:00+00:00")
_UNTIL: Final = Moment.fromisoformat("9999-12-31T23:59:59+00:00")  # "no expiry" (RFC 5280, 4.1.2.5)
NOW: Final = Moment.fromisoformat("2026-01-01T00:00:00+00:00")  # of a simulated phone

# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────


@cache
def key(name: str, asym: Asym) -> ec.EllipticCurvePrivateKey:
    """The key of a name on a curve. Not secret."""
    seed = hashlib.sha512(f"{_MARK} {name} {asym.name}".encode()).digest()
    return ec.derive_private_key(1 + int.from_bytes(seed[:31], "big"), asym.curve)


# ── Certificates ─────────────────────────────────────────────────────────────────────────────────────


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certify(name: str, asym: Asym, *, ca: bool) -> x509.Certificate:
    """A certificate that the root has signed: its own, or that of a leaf."""
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{_MARK} {n} {asym.name}")]) for n in (name, _ROOT)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key(name, asym).public_key())
        .serial_number(1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(_usage(ca=ca), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([RESPONDER_AUTH]), critical=False)
    return builder.sign(key(_ROOT, asym), hashes.SHA256(), ecdsa_deterministic=True)


_ROOT: Final = "root"

# ── What a phone and a module take from here ─────────────────────────────────────────────────────────


@cache
def roots() -> tuple[x509.Certificate, ...]:
    """The root of every curve."""
    return tuple(_certify(_ROOT, asym, ca=True) for asym in Asym)


@cache
def credentials(profile: str) -> tuple[Credential, ...]:
    """The credentials of a profile's reference module, in slot 0: one of every curve."""
    return tuple(
        Credential(key(profile, asym), (root, _certify(profile, asym, ca=False)))
        for asym, root in zip(Asym, roots(), strict=True)
    )


def anchors(references: Mapping[int, bytes | frozenset[bytes]] | None = None) -> Anchors:
    """What a phone must know to take a reference module for genuine."""
    return Anchors(roots(), NOW, references or {})


# ── Firmware ─────────────────────────────────────────────────────────────────────────────────────────

SIGNATURE: Final = Asym.ECDSA_P256.size  # bytes
_CONTEXT: Final = b"firmware"
_VENDOR: Final = "firmware vendor"


def sign_firmware(image: bytes) -> bytes:
    """The signature of the reference modules' vendor over an image."""
    return sign(key(_VENDOR, Asym.ECDSA_P256), Hash.SHA_256, _CONTEXT, Hash.SHA_256.digest(image))


def firmware_is_signed(image: bytes, signature: bytes) -> bool:
    """Whether an image is its vendor's."""
    digest = Hash.SHA_256.digest(image)
    return verify(key(_VENDOR, Asym.ECDSA_P256).public_key(), Hash.SHA_256, _CONTEXT, digest, signature)
