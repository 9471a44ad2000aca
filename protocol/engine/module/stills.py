"""Stills that a module holds: taken while the link was lost, or while it was detached.

Plan: what is held · fetching · the store · reports.
"""

from typing import Any, Final

from msgspec import structs

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.exposures import Exposures
from opalink.protocol.engine.module.modes import Frame, Stream, sensor_modes
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.packets import (
    BufferStatus,
    CaptureQueue,
    FrameFetchResponse,
    FrameFlags,
    FrameReleaseResponse,
    PropertyTag,
    StoredFrame,
    StoreListResponse,
    StreamSetup,
    SubsystemMask,
)
from opalink.spec.form import US

_MEMORY: Final = 1 << 20  # KiB
_HELD: Final = 6  # stills that fit it
_STORED: Final = 4096  # stills that fit the store
_PAGE: Final = 64
_FETCH_AFTER: Final = 20 * US
_FETCH: Final = ("stills", "fetch")
BATCH: Final = 16  # blocks sent at a time
BLOCK_TIME: Final = 30 * US  # of one block at full rate


class Stills(ModulePart):
    """`store` outlives a loss of power, `held` does not."""

    needs = ("BUFFER", "STORAGE")
    conditions = frozenset({Status.BLOCK_GONE, Status.BUFFER_FULL})

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.store: dict[int, Frame] = {}

    def restart(self) -> None:
        if not self.end.has("STORAGE"):
            self.store.clear()
        self.held: dict[int, Frame] = {}
        self.lost = 0
        self._reported = (0, 0)

    @property
    def all(self) -> dict[int, Frame]:
        return {**self.store, **self.held}

    @property
    def _used(self) -> int:
        """Memory that is in use, in KiB."""
        return sum(f.picture.bytes for f in self.all.values()) >> 10

    def keep(self, frame: Frame) -> None:
        """Hold a still that was taken while the link was lost, if there is room."""
        if len(self.held) < _HELD and not self.around.has(Status.BUFFER_FULL):
            self.held[frame.number] = frame
        else:
            self.lost += 1

    def take(self, stream: int) -> Frame | None:
        """The first still held for a stream, which is held no longer."""
        frame = next((f for f in self.held.values() if f.leader.stream == stream), None)
        if frame is not None:
            del self.held[frame.number]
            self.report()
        return frame

    def shoot(self) -> None:
        """Take a still without a phone."""
        exposures = self.end.part(Exposures)
        if not self.end.has("STORAGE") or len(self.store) == _STORED or self.around.has(Status.BUFFER_FULL):
            self.lost += 1
            return
        mode = min(sensor_modes(self.end.identity), key=lambda m: m.binning)
        stream = Stream(0, StreamSetup(mode=mode.mode), mode)
        request = CaptureQueue(request=1, mask=1, frames=1)
        frame = exposures.expose(stream, request, 0, self.end.now)
        self.store[frame.number] = frame

    # ── Fetching ──

    def answer_frame_fetch(self, cause: Cause) -> FrameFetchResponse:
        ask, held = cause.body, self.all
        number = ask.frame or min(held, default=0)
        frame = held.get(number)
        if frame is None:
            raise RefusedError(Status.NO_SUCH_ID, 0)
        if self.around.has(Status.BLOCK_GONE):
            raise RefusedError(Status.BLOCK_GONE, 8)
        blocks = frame.leader.blocks
        if ask.first + (ask.count or 1) > blocks:
            raise RefusedError(Status.RANGE_LIMIT, 8)
        stop = ask.first + ask.count if ask.count else blocks
        frame.keep = frame.keep or bool(ask.keep)
        if self.end.clock.running(_FETCH):
            self.end.busy(cause, SubsystemMask.STORAGE)
        self.end.clock.start(_FETCH, _FETCH_AFTER, lambda: self._send(frame, ask.stream, ask.first, stop))
        return FrameFetchResponse(frame=number, blocks=stop - ask.first)

    def _send(self, frame: Frame, stream: int, first: int, stop: int) -> None:
        kind = FrameFlags.STILL | FrameFlags.STORED
        sent = structs.replace(frame, leader=structs.replace(frame.leader, stream=stream, kind=kind), next=0)
        self.end.send(sent.leader, sent.leader.t_first_row)
        self._go_on(frame, sent, first, stop)

    def _go_on(self, frame: Frame, sent: Frame, first: int, stop: int) -> None:
        """The next blocks that were fetched; after the last, the trailer."""
        upto = min(stop, first + BATCH)
        self.end.transmit(sent, range(first, upto))
        sent.next += upto - first
        if upto < stop:
            wait = (upto - first) * BLOCK_TIME
            self.end.clock.start(_FETCH, wait, lambda: self._go_on(frame, sent, upto, stop))
            return
        sent.next = sent.leader.blocks  # what was not asked for is not missing
        self.end.conclude(sent)
        self.end.ready(SubsystemMask.STORAGE)
        if not frame.keep and frame.number in self.held:
            del self.held[frame.number]
            self.report()

    # ── The store ──

    def answer_store_list(self, cause: Cause) -> StoreListResponse:
        held = self.all
        rows = tuple(
            StoredFrame(
                frame=number,
                taken=held[number].taken,
                size=held[number].picture.bytes,
                pixel_format=held[number].leader.pixel_format,
                codec=held[number].leader.codec,
                width=held[number].leader.width,
                height=held[number].leader.height,
            )
            for number in [n for n in sorted(held) if n > cause.body.after][:_PAGE]
        )
        return StoreListResponse(total=len(held), oldest=min(held, default=0), stills=rows)

    def answer_frame_release(self, cause: Cause) -> FrameReleaseResponse:
        held = self.all
        for i, still in enumerate(cause.body.stills):
            if still.frame not in held:
                raise RefusedError(Status.NO_SUCH_ID, 1 + 8 * i)
        for still in cause.body.stills:
            self.store.pop(still.frame, None)
            self.held.pop(still.frame, None)
        self.report()
        stored = self.end.has("STORAGE")
        free = self.end.part(Properties).read(PropertyTag.STORE_FREE) if stored else max(0, _MEMORY - self._used)
        return FrameReleaseResponse(total=len(self.all), free=free)

    # ── Reports ──

    def session_opened(self) -> None:
        self._reported = (0, 0)
        self.report()

    def report(self) -> None:
        """BUFFER_STATUS, if what it says has changed."""
        held = self.all
        if (len(held), self.lost) == self._reported:
            return
        self._reported = len(held), self.lost
        used = self._used
        oldest = min(held, default=0)
        total = max(_MEMORY, used)
        self.end.send(BufferStatus(total=total, used=used, frames=len(held), oldest=oldest, lost=self.lost))
