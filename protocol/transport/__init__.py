"""The bench binding at work: testers, implementations, and the channels between them."""

from opalink.protocol.transport.bench import Bench
from opalink.protocol.transport.channel import Channel
from opalink.protocol.transport.errors import (
    BenchError,
    BindingError,
    Closed,
    Hang,
    NotOffered,
    Unassisted,
    Unreachable,
    UriError,
)
from opalink.protocol.transport.host import Listener, listen, serve
from opalink.protocol.transport.journal import Arrival, Calibration, Entry
from opalink.protocol.transport.session import Departure, Endpoint, Session
from opalink.protocol.transport.uri import IutUri

__all__ = [
    "Arrival", "Bench", "BenchError", "BindingError", "Calibration", "Channel", "Closed", "Departure", "Endpoint",
    "Entry", "Hang", "IutUri", "Listener", "NotOffered", "Session", "Unassisted", "Unreachable",
    "UriError", "listen", "serve",
]  # fmt: skip
