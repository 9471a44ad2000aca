"""A maker's root certificates from a file, as a phone is told to trust them.

Plan: reading.
"""

import warnings
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

_LARGEST: Final = 1 << 20  # bytes of a file
_PEM: Final = b"-----BEGIN CERTIFICATE-----"


class RootError(ValueError):
    """What is wrong with a file of roots, in one sentence."""


def read_roots(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a file: any number as PEM, or one as DER. Raises RootError, OSError."""
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise RootError(f"{path} is larger than {_LARGEST} bytes: it is no file of certificates")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # of a serial number that judging refuses
            found = x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
            for certificate in found:
                if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
                    raise RootError(f"{path} holds a certificate that may not sign others: it is no root")
    except x509.ExtensionNotFound:
        raise RootError(f"{path} holds a certificate that may not sign others: it is no root") from None
    except RootError:
        raise
    except ValueError:
        raise RootError(f"{path} holds no certificate, neither as PEM nor as DER") from None
    return tuple(found)
