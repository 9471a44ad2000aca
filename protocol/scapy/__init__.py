# SPDX-License-Identifier: GPL-2.0-only
"""OPAL in scapy: dissect, build, show, fuzz, sniff.

    >>> from opalink.protocol.scapy import *
    >>> packet = OpalPacket() / PwrReset(level="HARD", off_time=30)
    >>> OpalPacket(bytes(packet))[PwrReset].off_time
    30

scapy is under the GNU General Public License, version 2 only. What derives from its classes is a derived work, so
everything in this package is under that licence too, unlike all the rest of opalink, which imports nothing of it.
`opalink.protocol.codec` does the same without scapy.

Plan: what is exported · what carries what · recordings.
"""

try:
    import scapy.packet as _scapy
except ImportError as missing:
    raise ImportError("opalink.protocol.scapy needs scapy (GPL-2.0-only): pip install 'opalink[scapy]'") from missing

from scapy.config import conf as _conf

from opalink.protocol.capture.pcapng import LINKTYPE_FLIT as _FLIT
from opalink.protocol.capture.pcapng import LINKTYPE_PACKET as _PACKET
from opalink.protocol.packets import RecordKind as _RecordKind
from opalink.protocol.scapy import packets as _packets
from opalink.protocol.scapy.layers import Envelope as _Envelope
from opalink.protocol.scapy.layers import Malformed
from opalink.protocol.scapy.packets import *  # noqa: F403 (every layer, as its `__all__` says)
from opalink.protocol.scapy.session import OpalFrame, OpalSession
from opalink.protocol.scapy.values import plain

__all__ = ["Malformed", "OpalFrame", "OpalLine", "OpalSession", "plain"]
__all__ += _packets.__all__


# ── What carries what ────────────────────────────────────────────────────────────────────────────────


class OpalLine(_Envelope):
    """What a lane itself carries: a FLIT or a sideband record. It is never one of its own kind."""

    @classmethod
    def dispatch_hook(cls, _pkt: bytes = b"", *_: object, **__: object) -> type[_Envelope]:
        """A sideband record begins with its mark; a FLIT may by chance, and then its CRC says that it is one."""
        mark: int = _packets.OpalSideband().sync
        if _pkt[:2] != mark.to_bytes(2, "little"):
            return _packets.OpalFlit
        return _packets.OpalFlit if _packets.OpalFlit(_pkt).fault is None else _packets.OpalSideband


_scapy.bind_layers(_packets.OpalSideband, _packets.OpalPacket)
_scapy.bind_layers(_packets.OpalRecord, _packets.OpalPacket, kind=int(_RecordKind.PACKET))
_scapy.bind_layers(_packets.OpalRecord, OpalLine, kind=int(_RecordKind.FLIT))
_scapy.bind_layers(_packets.OpalRecord, _packets.Bind, kind=int(_RecordKind.BIND))
_scapy.bind_layers(_packets.OpalRecord, _packets.Log, kind=int(_RecordKind.LOG))
# Who sends a record says whether these are questions or answers, and the record does not: `decode_payload_as`.
_scapy.bind_top_down(_packets.OpalRecord, _packets.ControlRequest, kind=int(_RecordKind.CONTROL))
_scapy.bind_top_down(_packets.OpalRecord, _packets.ClockSet, kind=int(_RecordKind.CLOCK))

# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────

_conf.l2types.register(_PACKET, _packets.OpalPacket)
_conf.l2types.register(_FLIT, OpalLine)
for _layer in (_packets.OpalFlit, _packets.OpalSideband):
    _conf.l2types.register_layer2num(_FLIT, _layer)
