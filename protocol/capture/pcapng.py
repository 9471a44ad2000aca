"""Recordings as pcapng, as `opalink.spec.capture_format` declares them: the public face.

`Writer` writes one, `Reader` reads one packet by packet past any damage, `read` a whole one that has to be sound.
"""

from typing import Final

from opalink.protocol.capture.reader import Reader, read
from opalink.protocol.capture.recording import Captured, CaptureError, Damage, Interface, Recording
from opalink.protocol.capture.writer import Writer
from opalink.spec.capture_format import COMMENT_MAX, FLIT, PACKET

LINKTYPE_PACKET: Final = PACKET.value
LINKTYPE_FLIT: Final = FLIT.value

__all__ = [
    "COMMENT_MAX", "LINKTYPE_FLIT", "LINKTYPE_PACKET", "CaptureError", "Captured", "Damage", "Interface", "Reader",
    "Recording", "Writer", "read",
]  # fmt: skip
