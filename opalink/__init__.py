"""opalink: the specification of OPAL as code, and its conformance suite."""

__version__ = "0.1.0"
