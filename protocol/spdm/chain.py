"""Certificate chains: as SPDM lays them out, and whether one leads from a trusted root to a key that may answer.

Plan: identifiers · building · splitting · judging.

`cryptography`'s path validation does all that X.509 asks (signatures, names, validity, CA flags, path lengths, name
constraints, critical extensions that nobody understands), with policies that say what SPDM asks of a leaf. What is
left to do here is what it cannot see: SPDM's frame around the certificates and their order.

Source: DSP0274 1.2, "Certificates and certificate chains" and its table of leaf certificate fields; RFC 5280.
"""

import struct
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from opalink.protocol.spdm.algorithms import Asym, Hash, asym_of

# ── Identifiers ──────────────────────────────────────────────────────────────────────────────────────

_SPDM: Final = "1.3.6.1.4.1.412.274"
RESPONDER_AUTH: Final = x509.ObjectIdentifier(f"{_SPDM}.3")
REQUESTER_AUTH: Final = x509.ObjectIdentifier(f"{_SPDM}.4")
SPDM_EXTENSION: Final = x509.ObjectIdentifier(f"{_SPDM}.6")
_HARDWARE_IDENTITY: Final = bytes.fromhex("060a2b06010401831c821202")  # 1.3.6.1.4.1.412.274.2, as DER

HEAD_BYTES: Final = 4
MAX_CHAIN: Final = 0xFFFF  # bytes, from the width of the length
MAX_DEPTH: Final = 8  # certificates between root and leaf

Moment = datetime  # a time that is given: nothing here reads a clock


class ChainError(Exception):
    """The peer's fault: a chain that leads nowhere."""


# ── Building ─────────────────────────────────────────────────────────────────────────────────────────


def build_chain(certificates: Sequence[x509.Certificate], algorithm: Hash) -> bytes:
    """The chain as GET_CERTIFICATE reads it. `certificates` begin with the root and end with the leaf. Raises
    ValueError for one that is empty or too long."""
    ders = [c.public_bytes(Encoding.DER) for c in certificates]
    if not ders:
        raise ValueError("a certificate chain has at least one certificate")
    length = HEAD_BYTES + algorithm.size + sum(map(len, ders))
    if length > MAX_CHAIN:
        raise ValueError(f"a certificate chain of {length} bytes; {MAX_CHAIN} is the most that SPDM can carry")
    return struct.pack("<HH", length, 0) + algorithm.digest(ders[0]) + b"".join(ders)


# ── Splitting ────────────────────────────────────────────────────────────────────────────────────────


def split_chain(chain: bytes, algorithm: Hash) -> tuple[bytes, list[x509.Certificate]]:
    """The root's digest and the certificates that a chain holds. Raises ChainError."""
    at = HEAD_BYTES + algorithm.size
    if len(chain) < at:
        raise ChainError(f"a chain of {len(chain)} bytes has no room for its head")
    if (length := int.from_bytes(chain[:2], "little")) != len(chain):
        raise ChainError(f"the chain says that it has {length} bytes and has {len(chain)}")
    certificates: list[x509.Certificate] = []
    while at < len(chain):
        if len(certificates) > MAX_DEPTH:
            raise ChainError(f"more than {MAX_DEPTH} certificates follow the first")
        stop = at + _der_bytes(chain[at : at + 4])
        try:
            certificates.append(x509.load_der_x509_certificate(chain[at:stop]))
        except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning) as error:
            raise ChainError(f"certificate {len(certificates)} is malformed: {error}") from None
        at = stop
    if not certificates:
        raise ChainError("the chain holds no certificate")
    return chain[HEAD_BYTES : HEAD_BYTES + algorithm.size], certificates


def _der_bytes(head: bytes) -> int:
    """How long the certificate is that begins so: a SEQUENCE with a length in 1 to 3 bytes."""
    if len(head) == 4 and head[0] == 0x30:
        if head[1] < 0x80:
            return 2 + head[1]
        if head[1] == 0x81:
            return 3 + head[2]
        if head[1] == 0x82:
            return 4 + int.from_bytes(head[2:4], "big")
    raise ChainError("what follows in the chain is no certificate")


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────


def _is_ca(_: Policy, __: x509.Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("a certificate that is no CA's has issued another")


def _signs(_: Policy, __: x509.Certificate, extension: x509.KeyUsage | None) -> None:
    if extension and not extension.key_cert_sign:
        raise ValueError("a key has issued a certificate that may not")


def _is_leaf(_: Policy, __: x509.Certificate, extension: x509.BasicConstraints | None) -> None:
    if extension and extension.ca:
        raise ValueError("the leaf is a CA's")


def _answers(_: Policy, __: x509.Certificate, extension: x509.KeyUsage) -> None:
    if not extension.digital_signature:
        raise ValueError("the leaf's key may not sign")


def _responds(_: Policy, __: x509.Certificate, extension: x509.ExtendedKeyUsage | None) -> None:
    if extension and REQUESTER_AUTH in extension and RESPONDER_AUTH not in extension:
        raise ValueError("the leaf is a requester's")


_EITHER: Final = Criticality.AGNOSTIC
_ISSUER: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, _EITHER, _is_ca)
    .may_be_present(x509.KeyUsage, _EITHER, _signs)
)
_LEAF: Final = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, _EITHER, _is_leaf)
    .require_present(x509.KeyUsage, _EITHER, _answers)
    .may_be_present(x509.ExtendedKeyUsage, _EITHER, _responds)
)


def verify_chain(
    chain: bytes, algorithm: Hash, asym: Asym, roots: Iterable[x509.Certificate], now: Moment, *, alias: bool = False
) -> ec.EllipticCurvePublicKey:
    """The key that answers for a chain which leads to one of `roots` and is valid at `now`. `alias` says that the
    module makes its leaf itself (ALIAS_CERT_CAP), which may then not claim to be the hardware's identity. Raises
    ChainError with the reason."""
    with warnings.catch_warnings():  # what the library only warns of, a serial number below 1, RFC 5280 forbids
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        digest, certificates = split_chain(chain, algorithm)
        root = next((r for r in roots if algorithm.digest(r.public_bytes(Encoding.DER)) == digest), None)
        if root is None:
            raise ChainError("the chain's root is not one that is trusted")
        if certificates[0] == root:  # it may be left out, being known
            del certificates[0]
        if not certificates:
            raise ChainError("the chain holds no certificate but the root")
        return _verify_path(root, certificates, asym, now, alias=alias)


def _verify_path(
    root: x509.Certificate, certificates: list[x509.Certificate], asym: Asym, now: Moment, *, alias: bool
) -> ec.EllipticCurvePublicKey:
    *issuers, leaf = certificates
    verifier = (
        PolicyBuilder()
        .store(Store([root]))
        .time(now)
        .max_chain_depth(MAX_DEPTH)
        .extension_policies(ca_policy=_ISSUER, ee_policy=_LEAF)
        .build_client_verifier()
    )
    try:
        path = verifier.verify(leaf, issuers).chain
        key = leaf.public_key()
        own = _spdm_extension(leaf)
    except (VerificationError, UnsupportedAlgorithm, ValueError, x509.DuplicateExtension) as error:
        raise ChainError(f"the chain does not hold: {error}") from None
    if path != [leaf, *reversed(issuers), root]:
        raise ChainError("the chain's certificates are not in the order of their signatures")
    if asym_of(key) is not asym or not isinstance(key, ec.EllipticCurvePublicKey):
        raise ChainError(f"the leaf's key is not one of {asym.name}, which was agreed on")
    if alias and _HARDWARE_IDENTITY in own:
        raise ChainError("the leaf is the module's own and claims to be the hardware's identity")
    return key


def _spdm_extension(leaf: x509.Certificate) -> bytes:
    try:
        extension = leaf.extensions.get_extension_for_oid(SPDM_EXTENSION).value
    except x509.ExtensionNotFound:
        return b""
    return extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
