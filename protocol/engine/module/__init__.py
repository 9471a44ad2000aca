"""The module: an endpoint of any profile, part by part."""

from opalink.protocol.engine.module.module import Module, features_of

__all__ = ["Module", "features_of"]
