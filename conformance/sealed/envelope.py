"""Signatures: Ed25519 keys in PEM files, and the DSSE envelope that they seal a payload in.

The envelope is `securesystemslib`'s. What this adds is that a sealed file has one form: another one that would mean the
same is refused, so that no byte of it can be changed.

Plan: keys · envelopes.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined] # it names no __all__

from opalink.conformance.papers.documents import DocumentError, text_of
from opalink.conformance.verdicts import Exit

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

__all__ = ["PAYLOAD_TYPE", "Envelope", "SSlibKey", "SealError", "checked", "generate", "opened", "public_key", "sealed",
           "signer"]  # fmt: skip

# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────


class SealError(DocumentError):
    """A key or an envelope that cannot be used."""


def generate(path: Path) -> Path:
    """Make a key: the private one in a file that only its owner may read, and the public one beside it, whose path is
    returned. Raises SealError where either is there already, OSError where they cannot be written."""
    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if file.exists():
            raise SealError(f"There is {str(file)!r} already: a key that is overwritten is lost.")
    made = CryptoSigner.generate_ed25519()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(made.private_bytes)
    public.write_bytes(signer(path)[1])
    return public


def signer(path: Path) -> tuple[CryptoSigner, bytes]:
    """Who signs by the private key of a file, and the public key as PEM. Raises SealError."""
    text = text_of(path, "key", SealError)
    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError:
        raise SealError(f"The key {str(path)!r} is protected by a passphrase, which nobody is asked for.") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SealError(f"The file {str(path)!r} holds no private Ed25519 key in PEM.")
    return CryptoSigner(key), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_key(path: Path) -> SSlibKey:
    """The public key of a file. Raises SealError."""
    text = text_of(path, "public key", SealError)
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SealError(f"The file {str(path)!r} holds no public Ed25519 key in PEM.")
    return SSlibKey.from_crypto(key)


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


def sealed(payload: bytes, signs: CryptoSigner, before: Envelope | None = None) -> bytes:
    """An envelope with a payload and its signature, beside those that it has in `before`."""
    signatures = before.signatures if before and before.payload == payload else {}
    envelope = Envelope(payload, PAYLOAD_TYPE, dict(signatures))
    envelope.sign(signs)
    return _form(envelope)


def _form(envelope: Envelope) -> bytes:
    return json.dumps(envelope.to_dict(), indent=1).encode() + b"\n"


def opened(data: bytes) -> Envelope:
    """The envelope in a file. Raises SealError."""
    try:
        envelope = Envelope.from_dict(json.loads(data))
        if _form(envelope) == data and envelope.payload_type == PAYLOAD_TYPE:
            return envelope
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, FormatError):
        pass  # whatever it is, it is not what `sealed` makes
    raise SealError("The statement is no DSSE envelope as it was sealed.", Exit.NON_CONFORMANT)


def checked(envelope: Envelope, keys: Sequence[SSlibKey]) -> bytes:
    """The payload, which each of the keys has signed. Raises SealError."""
    for key in keys:
        if key.keyid not in envelope.signatures:
            others = ", ".join(k[:16] for k in envelope.signatures) or "nobody"
            raise SealError(f"The key {key.keyid[:16]} has not signed it; {others} has.", Exit.NON_CONFORMANT)
        try:
            envelope.verify([key], 1)
        except VerificationError:
            raise SealError(
                f"The signature of {key.keyid[:16]} does not belong to what is sealed.", Exit.NON_CONFORMANT
            ) from None
    payload: bytes = envelope.payload
    return payload
