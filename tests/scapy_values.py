"""Plain values to scapy layers, for tests: what `opalink.protocol.scapy.plain` takes apart.

Plan: layers · what a layer says.
"""

from collections.abc import Mapping
from typing import Any

from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import singular
from opalink.protocol.scapy.values import plain

Layers = Mapping[str, Any]  # by name

# ── Layers ───────────────────────────────────────────────────────────────────────────────────────────


def layer_of(catalogue: ir.Catalogue, layers: Layers, layout: ir.Layout, value: Any) -> Any:
    """A layer from a plain value; what the value leaves out has its default."""
    cls, fields = layers[layout.name], {}
    for f in ir.fields_of(layout.parts):
        if f.name not in value:
            continue
        found = value[f.name]
        match f:
            case ir.Rows():
                found = [layer_of(catalogue, layers, catalogue.layout[f.row], x) for x in found]
            case ir.Tlvs():
                found = [_tlv_of(catalogue, layers, catalogue.space[f.space], tag, x) for tag, x in found]
        fields[cls._wire[f.name]] = found
    return cls(**fields)


def _tlv_of(catalogue: ir.Catalogue, layers: Layers, space: ir.Space, tag: int, value: Any) -> Any:
    known = next((t for t in space.types if t.tag == tag), None)
    if known is None or isinstance(value, bytes):
        return layers[singular(space.name)](tag=tag, value=value)
    layout = catalogue.layout[known.layout]
    if ir.lone_number(layout) is None:
        return layer_of(catalogue, layers, layout, value)
    cls = layers[layout.name]
    return cls(**{cls._lone: value})


# ── What a layer says ────────────────────────────────────────────────────────────────────────────────


def dissected(layers: Layers, name: str, data: bytes) -> tuple[Any, Any]:
    """The layer, and its plain value or (class, path, offset) of its fault. Of no bytes too, which to scapy is a layer
    of defaults."""
    layer = layers[name]()
    layer.dissect(data)
    error = layer.fault
    return layer, plain(layer) if error is None else (Fault(error.fault), error.path, error.offset)
