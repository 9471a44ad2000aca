"""scapy with opalink's generated layers, beside layers as scapy's documentation teaches them. They check the CRC."""

from importlib.metadata import version

from bench.peers import Peer
from opalink.protocol.scapy import OpalPacket, plain

PEER = Peer(f"scapy {version('scapy')}, opalink's layers", OpalPacket, plain)
