"""Phone and module in one process, frame blocks through both FLIT layers, no errors.

Plan: the row's measurement.
"""

import time
from typing import Final

from opalink.protocol.channel import parse
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.frames import Frame
from opalink.spec.form import SECOND

BATCH: Final = 256  # FLITs that leave before the line is looked at again
_QUIET: Final = 'title = "quiet"\ndoc = "Nothing happens."\nseed = 1\nduration_ms = 1000\n'
_FRAMES: Final = 6


def rates(rounds: int = 3) -> list[float]:
    """Gb/s of frame data for each second of processor time, everything from the exposure to the whole frame counted."""
    return [_rate() for _ in range(rounds)]


def _rate() -> float:
    meeting = Meeting(Phone(), Module("four-thirds"), Gateway(parse(_QUIET, "quiet"), slot=BATCH))
    sizes: list[int] = []

    def came(frame: Frame) -> None:
        sizes.append(0 if frame.missing else len(frame.data))

    meeting.phone.user.open()
    meeting.put_on()
    if not meeting.run_until(lambda: meeting.phone.frames.latest is not None, SECOND):
        raise RuntimeError("No frame has come.")
    meeting.phone.on_frame = came
    begun = time.process_time()
    meeting.run_until(lambda: len(sizes) == _FRAMES, meeting.now + SECOND)
    if len(sizes) != _FRAMES or not all(sizes):
        raise RuntimeError("Frames are missing.")
    return sum(sizes) * 8 / (time.process_time() - begun) / 1e9
