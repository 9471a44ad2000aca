"""What the tests of SPDM are made of: certificate chains, modules that show them, and conversations.

Plan: certificates · chains · a module and a phone · conversations.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opalink.protocol.spdm import (
    SESSION_INDEX,
    Asym,
    Credential,
    Expected,
    Identity,
    Measurement,
    Requester,
    Responder,
    ValueType,
)
from opalink.protocol.spdm.chain import RESPONDER_AUTH, SPDM_EXTENSION

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CURVES: dict[Asym, ec.EllipticCurve] = {Asym.ECDSA_P256: ec.SECP256R1(), Asym.ECDSA_P384: ec.SECP384R1()}
SESSION = hashlib.sha256(b"BEACON HELLO LINK_PARAMS").digest()
FIRMWARE = hashlib.sha256(b"firmware").digest()
MEASUREMENTS = {
    1: Measurement(FIRMWARE, ValueType.MUTABLE_FIRMWARE, tcb=True),
    2: Measurement(b"1.2.0.7", ValueType.VERSION, raw=True),
    SESSION_INDEX: Measurement(SESSION, ValueType.FIRMWARE_CONFIGURATION),
}
EXPECTED = Expected(SESSION, {1: FIRMWARE})

# ── Certificates ─────────────────────────────────────────────────────────────────────────────────────

_USAGES = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
    "encipher_only decipher_only"
).split()
Extensions = Mapping[str, tuple[x509.ExtensionType, bool]]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def ca(depth: int | None = None) -> Extensions:
    return {
        "constraints": (x509.BasicConstraints(ca=True, path_length=depth), True),
        "usage": (usage("key_cert_sign"), True),
    }


LEAF: Extensions = {
    "constraints": (x509.BasicConstraints(ca=False, path_length=None), True),
    "usage": (usage("digital_signature"), True),
    "purpose": (x509.ExtendedKeyUsage([RESPONDER_AUTH]), True),
    # SEQUENCE { SEQUENCE { id-DMTF-hardware-identity } }
    "spdm": (x509.UnrecognizedExtension(SPDM_EXTENSION, bytes.fromhex("300e300c060a2b06010401831c821202")), False),
}


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    extensions: Extensions,
    *,
    until: datetime = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(1 + int.from_bytes(hashlib.sha256(f"{subject} {issuer}".encode()).digest()[:8], "big"))
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(until)
    )
    for extension, critical in extensions.values():
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(by, hashes.SHA256())


# ── Chains ───────────────────────────────────────────────────────────────────────────────────────────


class Chain(NamedTuple):
    key: ec.EllipticCurvePrivateKey
    certificates: tuple[x509.Certificate, ...]  # root, issuer, leaf

    @property
    def root(self) -> x509.Certificate:
        return self.certificates[0]


@cache
def key(label: str, asym: Asym) -> ec.EllipticCurvePrivateKey:
    """The same key in every run: nothing here is secret, and a run that repeats can be looked into."""
    seed = hashlib.sha512(f"{label} {asym}".encode()).digest()
    curve = CURVES[asym]
    return ec.derive_private_key(1 + int.from_bytes(seed[:31], "big"), curve)


@cache
def make_chain(asym: Asym, *, padding: int = 0) -> Chain:
    """A chain of three; `padding` makes its leaf that many bytes longer."""
    root, issuer, leaf = (key(label, asym) for label in ("root", "issuer", "leaf"))
    extra: dict[str, Any] = {}
    if padding:
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.412.1")
        extra["padding"] = (x509.UnrecognizedExtension(oid, bytes(padding)), False)
    return Chain(
        leaf,
        (
            certify("root", root, "root", root, ca()),
            certify("issuer", issuer, "root", root, ca(0)),
            certify("leaf", leaf, "issuer", issuer, {**LEAF, **extra}),
        ),
    )


P256, P384 = make_chain(Asym.ECDSA_P256), make_chain(Asym.ECDSA_P384)

# ── A module and a phone ─────────────────────────────────────────────────────────────────────────────


def nonces(label: str) -> Callable[[], bytes]:
    numbers = count()
    return lambda: hashlib.sha256(f"{label} {next(numbers)}".encode()).digest()


def module(*chains: Chain, measurements: Mapping[int, Measurement] = MEASUREMENTS) -> Responder:
    credentials = [Credential(c.key, c.certificates) for c in chains or (P256,)]
    return Responder(Identity(credentials, lambda: measurements, nonces("module")))


def phone(*chains: Chain, expected: Expected = EXPECTED, known: tuple[bytes, ...] = ()) -> Requester:
    return Requester([c.root for c in chains or (P256,)], NOW, nonces("phone"), expected, known=known)


# ── Conversations ────────────────────────────────────────────────────────────────────────────────────

Alter = Callable[[int, bytes], bytes]


def as_it_is(_: int, message: bytes) -> bytes:
    return message


def converse(
    requester: Requester, respond: Callable[[bytes], bytes], up: Alter = as_it_is, down: Alter = as_it_is
) -> list[tuple[bytes, bytes]]:
    """Every request and response, as their sender sent them, until the requester has come to its end. `up` and `down`
    alter the n-th on its way."""
    said = []
    ask = requester.start()
    for n in count():
        response = respond(up(n, ask.message))
        said.append((ask.message, response))
        following = requester.receive(down(n, response))
        if following is None:
            return said
        ask = following
        assert n < 200, "an authentication that does not end"
    raise AssertionError


def replay(requester: Requester, responses: Iterator[bytes]) -> None:
    """Answers a requester with responses that were recorded, until it has come to its end or they have."""
    requester.start()
    for response in responses:
        if requester.receive(response) is None:
            return
