"""Packets out of a recording, from either plane, with the number that Wireshark gives each of them.

What the lane itself carried is put together: FLITs by a listener for each direction, and the packets of sideband
records here. Where a FLIT never comes, that is said.

Plan: a packet · the packets of a recording.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, Captured, Reader
from opalink.protocol.codec import DecodeError, decode_flit, decode_sideband
from opalink.protocol.flit.listening import Listener
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import Lane
from opalink.spec.capture_format import interface_name

_LANES: Final = {interface_name(lane.name.lower(), ""): lane for lane in Lane}
_TYPE: Final = 1  # byte of a packet

# ── A packet ─────────────────────────────────────────────────────────────────────────────────────────


class Seen(Struct, frozen=True):
    """A packet that one side sent. `number` is that of the frame in Wireshark, `sender` as the capture format calls it
    or empty; `lane` is None where the recording does not say; `hole` says what is missing before it, if anything is."""

    number: int
    time: int  # ns
    sender: str
    inbound: bool
    lane: Lane | None
    data: bytes
    hole: str = ""


# ── The packets of a recording ───────────────────────────────────────────────────────────────────────


class Packets:
    """Iterating gives every packet of a recording in the order of the file. Raises CaptureError for what is none.

    `captured` counts what the recording holds of OPAL, `flits` how many of them travelled as FLITs or sideband records,
    `noise` those of them that were damaged on their way, which concerns nobody's sender."""

    def __init__(self, stream: BinaryIO, catalogue: ir.Catalogue) -> None:
        self.reader = Reader(stream)
        self.captured = self.flits = self.noise = 0
        self._catalogue = catalogue
        self._ways: defaultdict[bool, Listener] = defaultdict(Listener)  # by direction
        self._sections = self._damages = self._untimed = 0
        self._time = 0

    @property
    def damaged_at_end(self) -> bool:
        """Whether there is damage behind the last packet."""
        return self.reader.damages != self._damages

    def __iter__(self) -> Iterator[Seen]:
        for captured in self.reader:
            self.captured += 1
            hole = self._hole(captured)
            number = self.captured + self.reader.foreign.total()
            for frame, lane, data in self._packets(captured, number):
                yield Seen(
                    frame, captured.time, _sender(captured), captured.interface.inbound, lane, data, hole or self._gap()
                )
                hole = ""
            if hole:  # nothing has come that could tell of it
                yield Seen(number, captured.time, _sender(captured), captured.interface.inbound, None, b"", hole)

    def _hole(self, captured: Captured) -> str:
        """What is missing just before, as the recording says."""
        reader, holes = self.reader, []
        if captured.lost:
            holes.append(f"{captured.lost:,} packets are missing")
        if reader.damages != self._damages:
            holes.append(f"damage, {reader.damage[-1]}")
        if reader.sections > max(self._sections, 1):
            holes.append("another section begins")
        if captured.time < self._time:
            holes.append("time goes back")
        if reader.untimed != self._untimed:
            holes.append("a packet has no time")
        if captured.cut:
            holes.append("a packet was not kept whole")
        if "another section begins" in holes or "time goes back" in holes:
            self._ways.clear()
        self._damages, self._sections, self._time = reader.damages, reader.sections, captured.time
        self._untimed = reader.untimed
        return ", ".join(holes)

    def _gap(self) -> str:
        """What the numbers of FLITs say is missing."""
        found = [way for way in self._ways.values() if way.gap]
        for way in found:
            way.gap = False
        return "FLITs are missing" if found else ""

    def _packets(self, captured: Captured, number: int) -> Iterator[tuple[int, Lane | None, bytes]]:
        if captured.cut:
            return
        lane = next((x for head, x in _LANES.items() if captured.interface.name.startswith(head)), None)
        if captured.interface.link_type != LINKTYPE_FLIT:
            yield number, self._lane(captured.data) if lane is None else lane, captured.data
            return
        self.flits += 1
        if lane is not Lane.LASER:
            try:
                yield number, Lane.SIDEBAND, bytes(decode_sideband(captured.data).payload)
            except DecodeError:
                if lane is Lane.SIDEBAND:
                    self.noise += 1
                    return
            else:
                return
        try:
            flit = decode_flit(captured.data)
        except DecodeError:
            self.noise += 1
            return
        packets = self._ways[captured.interface.inbound].take(flit, number)
        yield from ((frame, Lane.LASER, data) for frame, data in packets)

    def _lane(self, data: bytes) -> Lane | None:
        """The lane of a type that travels on one alone."""
        declared = self._catalogue.by_code.get(data[_TYPE]) if len(data) > _TYPE else None
        return Lane[declared.lanes[0].upper()] if declared else None


def _sender(captured: Captured) -> str:
    return captured.interface.name.rpartition(" from the ")[2] if " from the " in captured.interface.name else ""
