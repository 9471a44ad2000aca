"""opalink's generated codec."""

from bench.peers import Peer
from opalink.protocol import codec

PEER = Peer("opalink", codec.decode, codec.plain, codec.encode)
