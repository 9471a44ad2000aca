"""Back end: layers for scapy: `layers` writes one for each layout, `module` the modules that hold them."""

from opalink.protocol.generate.scapy.module import modules
from opalink.protocol.ir import model as ir


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """The modules of the package `opalink.protocol.scapy.packets`."""
    return {name: text.encode() for name, text in modules(catalogue).items()}
