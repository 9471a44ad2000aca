# SPDX-License-Identifier: GPL-2.0-only
# ruff: noqa: SLF001 (the public names of a layer are its fields)
"""Layers as plain values, which other codecs of OPAL give too."""

from typing import Any

from scapy.packet import Packet

from opalink.protocol.scapy.layers import Envelope, Layer, PacketLayer, Tlv


def plain(layer: Packet) -> Any:
    """A layer as `opalink.protocol.codec.plain` gives its value: numbers, bytes, lists, dictionaries; TLVs as (tag,
    value) pairs; the payload of the packet as its `body`."""
    if isinstance(layer, Tlv):
        tag = int(layer.getfieldval("tag"))
        if type(layer).__base__ is Tlv:  # of a tag that is unknown, or bytes under one that is known
            return tag, bytes(layer.getfieldval("value"))
        return tag, int(layer.getfieldval(layer._lone)) if layer._lone else _values(layer)
    if not isinstance(layer, Layer):
        return bytes(layer)
    found = _values(layer)
    if isinstance(layer, PacketLayer):
        return found | {"body": plain(layer.payload)}
    return found | {"payload": bytes(layer.payload)} if isinstance(layer, Envelope) else found


def _values(layer: Layer) -> dict[str, Any]:
    return {name: _plain_value(layer.getfieldval(attribute)) for name, attribute in layer._wire.items()}


def _plain_value(x: Any) -> Any:
    if isinstance(x, list):
        return [plain(row) for row in x]
    return bytes(x) if isinstance(x, bytes) else int(x)
