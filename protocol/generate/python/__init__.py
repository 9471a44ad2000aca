"""Back end: the Python codec: `layout` writes the classes with their decoders and encoders, `module` the modules."""

from opalink.protocol.generate.python.module import modules
from opalink.protocol.ir import model as ir


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """The modules of the package `opalink.protocol.packets`."""
    return {name: text.encode() for name, text in modules(catalogue).items()}
