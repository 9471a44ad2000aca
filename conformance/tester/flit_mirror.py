"""The tester's module on the FLIT plane: its own FLIT layer is what the bench sends and receives with.

Where the implementation is a phone the tester's module trains, answers LINK_PARAMS and resynchronises by itself, as any
module does. Here its FLIT layer is put into the bench of `flit_bench`, so that what a test does to FLITs it can do to a
phone too, and the watch begins each epoch when the module does.

Plan: the module's FLIT layer · the bench.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.flit_watch import FlitWatch, Params
from opalink.protocol.codec import DecodeError, decode_flit
from opalink.protocol.engine.module import Module
from opalink.protocol.flit import End, least
from opalink.protocol.flit.layout import packet_channel
from opalink.protocol.flit.outgoing import QUEUE_BYTES
from opalink.protocol.packets import Lane, Plane
from opalink.protocol.transport import Arrival, Bench
from opalink.spec.limits import PACKET_OVERHEAD

_BEHIND: Final = 1 << 14  # packets of a channel that wait for room in the FLIT layer

# ── The module's FLIT layer ──────────────────────────────────────────────────────────────────────────


class MirrorEnd(End):
    """One that says when an epoch begins, and does nothing where there is no light."""

    def __init__(self, *, lit: Callable[[], bool], begun: Callable[[Params, Params], None], count: Any) -> None:
        self._lit, self._begun = lit, begun
        super().__init__(count=count)

    def begin(self, ours: Params, theirs: Params) -> None:
        super().begin(ours, theirs)
        self._begun(ours, theirs)

    def herald(self, data: bytes) -> None:
        """A FLIT of the phone's comes: if it is the first of the epoch that is expected, that begins now."""
        with suppress(DecodeError):
            if self._armed is not None and decode_flit(data).epoch == self._armed[0].epoch & 1:
                self.begin(*self._armed)

    def receive(self, now: int, data: bytes) -> list[bytes]:
        return super().receive(now, data) if self._lit() else []

    def take(self, now: int, room: int) -> bytes:
        return super().take(now, room) if self._lit() else b""

    def deadline(self) -> int | None:
        return super().deadline() if self._lit() else None


# ── The bench ────────────────────────────────────────────────────────────────────────────────────────


class MirrorBench(FlitBench):
    """A bench of packets over one of FLITs, whose FLIT layer is a module's."""

    def __init__(self, bench: Bench, watch: FlitWatch) -> None:
        self._behind: dict[int, deque[bytes]] = {}  # packets that wait for room in the FLIT layer, by channel
        super().__init__(bench, watch)

    def host(self, module: Module) -> None:
        """Have a module's FLIT layer be the tester's. It is new."""
        lit = partial(module.carries, Lane.LASER)
        module.flit_layer = partial(MirrorEnd, lit=lit, begun=self.watch.begin)  # type: ignore[assignment] # makes one
        module.take_plane(Plane.FLIT)
        if module.flits is not None:
            self.end = module.flits
        self._behind.clear()

    def trained_anew(self) -> None:
        """The phone trains: what it sends begins anew, whether the module has noticed or not."""
        alone = least(self.end.epoch)
        self.watch.begin(alone, alone)

    def send(self, data: bytes, lane: Lane) -> None:
        if lane is Lane.LASER and len(data) >= PACKET_OVERHEAD:
            vc = packet_channel(data)
            if self._behind.get(vc) or not self._room(vc, data):
                self._behind.setdefault(vc, deque(maxlen=_BEHIND)).append(data)
                return
        super().send(data, lane)

    def pump(self) -> None:
        for vc, behind in self._behind.items():
            while behind and self._room(vc, behind[0]):
                with suppress(ValueError):  # a channel that is no longer there carries nothing
                    self.end.put(behind.popleft())
        super().pump()

    def _room(self, vc: int, data: bytes) -> bool:
        return self.end.waiting(vc) + len(data) <= QUEUE_BYTES

    def _arrive(self, arrival: Arrival) -> None:
        if arrival.lane is Lane.LASER and isinstance(self.end, MirrorEnd):
            self.end.herald(arrival.data)
        super()._arrive(arrival)
