"""What opalink's codec is held against: one module a peer, each with the two samples and nothing else.

A peer's `values` gives what it read in the form of `bench.samples`, so that it can be compared before it is timed.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from bench.samples import Plain

NAMES = ("ours", "hand", "construct", "kaitai", "scapy", "scapy_layer", "protobuf")


class Peer(NamedTuple):
    """`decode` takes the bytes of either kind of packet. `encode` takes what `decode` returned. `wire` gives the bytes
    that carry a sample's values, where they are not OPAL's own."""

    name: str
    decode: Callable[..., Any]
    values: Callable[[Any], Plain]
    encode: Callable[..., bytes] | None = None
    wire: Callable[[Plain], bytes] | None = None


def load(name: str) -> Peer:
    """A peer; its library is imported now."""
    peer = import_module(f"bench.peers.{name}").PEER
    assert isinstance(peer, Peer)
    return peer
