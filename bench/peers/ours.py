"""opalink's generated codec in Python, whether or not the accelerator is installed."""

from bench.peers import Peer
from opalink.protocol import codec
from opalink.protocol.packets.codec import decode_Packet, encode_Packet

PEER = Peer("opalink", decode_Packet, codec.plain, encode_Packet)
