"""The phone: the other endpoint of the link, part by part."""

from opalink.protocol.engine.phone.phone import Phone

__all__ = ["Phone"]
