"""Back end: the canonical export, the whole catalogue as JSON."""

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import EXPORT


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """One file. Its SHA-256 is the fingerprint that every generated file bears."""
    return {EXPORT: catalogue.to_json()}
