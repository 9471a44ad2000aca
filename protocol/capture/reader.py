"""Reads recordings, one packet at a time, whatever the file is like.

Plan: the reader · blocks · packets · a whole recording.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from opalink.protocol.capture.blocks import (
    ENHANCED,
    INTERFACE,
    OBSOLETE,
    SECTION,
    SIMPLE,
    STATISTICS,
    Block,
    Blocks,
    OptionError,
    options,
)
from opalink.protocol.capture.recording import Captured, CaptureError, Damage, Interface, Recording
from opalink.spec import capture_format as form
from opalink.spec.form import SECOND

KEPT: Final = 100  # of the damages, and of the comments of sections, one by one
_CARRIED: Final = {x.value for x in form.LINK_TYPES}
_ENHANCED: Final = {order: struct.Struct(f"{order}IIIII").unpack_from for order in "<>"}
_MICROSECONDS: Final = 6  # of an interface that does not say


class _Described(Struct):
    """An interface of a section: what it is for either direction, and how its times become nanoseconds."""

    name: str
    doc: str
    link_type: int
    snap: int
    times: int
    by: int
    offset: int
    both: dict[bool, Interface]
    said: tuple[bytes, str, "_Said"] | None = None  # by the options of the packet before, which often are the same


_Said = tuple[Interface, tuple[str, ...], int | None]  # interface with direction, comments, packets lost


class _Misfit(ValueError):  # noqa: N818 (it never leaves the module)
    """What a block says of itself cannot be."""


# ── The reader ───────────────────────────────────────────────────────────────────────────────────────


class Reader:
    """The packets of a stream that carry OPAL. Iterating raises CaptureError for what is no recording; what is damaged
    is passed over, and told afterwards: `damage` has the first of them, `damages` is how many there are.

    `foreign` counts packets of other link types, by link type; `skipped` the blocks of kinds that say nothing of
    packets; `untimed` what has no time; `lost` what the recording says is missing. `comments` are the first ones of
    the sections, `application` what wrote the last of them."""

    def __init__(self, stream: BinaryIO) -> None:
        self.damage: list[Damage] = []
        self.damages = self.sections = self.skipped = self.untimed = self.lost = 0
        self.foreign: Counter[int] = Counter()
        self.comments: list[str] = []
        self.application = ""
        self._blocks = Blocks(stream, self._lost_track)
        self._interfaces: list[_Described] = []
        self._certain = True  # that no interface of this section has been missed
        self._kinds: dict[int, Callable[[Block], Captured | None]] = {
            SECTION: self._section,
            INTERFACE: self._interface,
            STATISTICS: self._statistics,
            ENHANCED: self._enhanced,
            OBSOLETE: self._obsolete,
            SIMPLE: self._simple,
        }

    @property
    def blocks(self) -> int:
        """How many blocks there were."""
        return self._blocks.number

    def __iter__(self) -> Iterator[Captured]:
        for block in self._blocks:
            reads = self._kinds.get(block.kind)
            if reads is None:
                self.skipped += 1
                continue
            try:
                found = reads(block)
            except (_Misfit, struct.error) as error:
                what = str(error) if isinstance(error, _Misfit) else "it is too short for its kind"
                self._note(block.number, block.offset, what)
                if block.kind in (SECTION, INTERFACE):
                    self._certain = False
            else:
                if found is not None:
                    yield found

    def _note(self, block: int, offset: int, what: str) -> None:
        self.damages += 1
        if len(self.damage) < KEPT:
            self.damage.append(Damage(block, offset, what))

    def _lost_track(self, block: int, offset: int, what: str) -> None:
        self._note(block, offset, what)
        self._certain = False

    # ── Blocks ──

    def _options(self, block: Block, at: int) -> dict[int, list[bytes]]:
        """The values of each code, as far as they can be read."""
        found: dict[int, list[bytes]] = {}
        try:
            for code, value in options(block, at):
                found.setdefault(code, []).append(value)
        except OptionError as error:
            self._note(block.number, block.offset, str(error))
        return found

    def _section(self, block: Block) -> None:
        self.sections += 1
        self._interfaces.clear()
        self._certain = True
        major, _ = struct.unpack_from(f"{block.order}HH", block.body, 4)
        if major != 1:
            self._certain = False
            raise _Misfit(f"its section is of version {major} of pcapng, which is not known")
        found = self._options(block, 16)
        self.comments += [_text(c) for c in found.get(form.COMMENT.code, [])[: KEPT - len(self.comments)]]
        self.application = _last(found, form.APPLICATION)

    def _interface(self, block: Block) -> None:
        link_type, _, snap = struct.unpack_from(f"{block.order}HHI", block.body)
        if not self._certain:
            return  # nobody knows its number
        if len(self._interfaces) == form.INTERFACES_MAX:
            raise _Misfit(f"its section has more than {form.INTERFACES_MAX:,} interfaces")
        found = self._options(block, 8)
        times, by = _resolution(found.get(form.RESOLUTION.code, [])[-1:])
        (offset,) = _fields(found.get(form.OFFSET.code, [])[-1:], f"{block.order}q") or (0,)
        name, doc = _last(found, form.NAME), _last(found, form.DESCRIPTION)
        both = {inbound: Interface(name, link_type, inbound, doc) for inbound in (False, True)}
        self._interfaces.append(_Described(name, doc, link_type, snap, times, by, offset * SECOND, both))

    def _statistics(self, block: Block) -> None:
        found = self._options(block, 12)
        (lost,) = _fields(found.get(form.DROPPED.code, [])[-1:], f"{block.order}Q") or (0,)
        self.lost += lost

    # ── Packets ──

    def _enhanced(self, block: Block) -> Captured | None:
        number, high, low, kept, size = _ENHANCED[block.order](block.body)
        return self._captured(block, number, (high << 32) + low, 20, kept, size)

    def _obsolete(self, block: Block) -> Captured | None:
        number, lost, high, low, kept, size = struct.unpack_from(f"{block.order}HHIIII", block.body)
        return self._captured(block, number, (high << 32) + low, 20, kept, size, 0 if lost == 0xFFFF else lost)

    def _simple(self, block: Block) -> Captured | None:
        (size,) = struct.unpack_from(f"{block.order}I", block.body)
        snap = self._interfaces[0].snap if self._interfaces else 0
        return self._captured(block, 0, None, 4, min(size, snap or size), size)

    def _captured(
        self, block: Block, number: int, ticks: int | None, at: int, kept: int, size: int, lost: int = 0
    ) -> Captured | None:
        if number >= len(self._interfaces):
            why = "nothing describes" if self._certain else "cannot be known after the damage"
            raise _Misfit(f"it is of interface {number}, which {why}")
        on = self._interfaces[number]
        if kept > len(block.body) - at:
            raise _Misfit(f"it says that it has {kept:,} bytes of a packet, and {len(block.body) - at:,} are there")
        if on.link_type not in _CARRIED:
            self.foreign[on.link_type] += 1
            return None
        interface, comments, missing = self._said(block, at + kept + -kept % 4, on)
        lost = lost if missing is None else missing
        self.lost += lost
        self.untimed += ticks is None
        time = 0 if ticks is None else ticks * on.times // on.by + on.offset
        return Captured(interface, time, block.body[at : at + kept], comments, max(size, kept), lost)

    def _said(self, block: Block, at: int, on: _Described) -> _Said:
        """What the options of a packet say. A simple block has none."""
        raw = block.body[at:] if block.kind != SIMPLE else b""
        if on.said and on.said[:2] == (raw, block.order):
            return on.said[2]
        damages, found = self.damages, self._options(block, at) if raw else {}
        (flags,) = _fields(found.get(form.FLAGS.code, [])[-1:], f"{block.order}I") or (0,)
        (lost,) = _fields(found.get(form.LOST.code, [])[-1:], f"{block.order}Q") or (None,)
        comments = tuple(map(_text, found.get(form.COMMENT.code, ())))
        said = on.both[_inbound(flags, on.name)], comments, lost
        if damages == self.damages:  # what is wrong is told of every packet
            on.said = raw, block.order, said
        return said


def _inbound(flags: int, name: str) -> bool:
    """As the packet says; where it does not, as the interface's name does."""
    if flags & 3:
        return flags & 3 == form.INBOUND
    sender = form.sender_of(name)
    return sender is not None and sender.inbound


def _resolution(said: list[bytes]) -> tuple[int, int]:
    """What a time is multiplied with, and divided by, to be in nanoseconds."""
    (power,) = _fields(said, "B") or (_MICROSECONDS,)
    each = 1 << (power & 0x7F) if power & 0x80 else 10**power
    return SECOND, each


def _fields(said: list[bytes], layout: str) -> tuple[int, ...]:
    """The numbers of an option; none where it has another size than they have."""
    return struct.unpack(layout, said[0]) if said and len(said[0]) == struct.calcsize(layout) else ()


def _last(found: dict[int, list[bytes]], option: form.Option) -> str:
    return _text(found.get(option.code, [b""])[-1])


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


# ── A whole recording ────────────────────────────────────────────────────────────────────────────────


def read(stream: BinaryIO) -> Recording:
    """All of a recording. Raises CaptureError, with the block and the byte, for one that is damaged anywhere."""
    reader, packets = Reader(stream), []
    for packet in reader:
        packets.append(packet)
        if reader.damage:
            break
    if reader.damage:
        raise CaptureError(f"The recording is damaged: {reader.damage[0]}.")
    return Recording(tuple(reader.comments), reader.application, tuple(packets))
