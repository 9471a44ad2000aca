"""Specimens that break the rules of sessions, of the power contract and of updates, one each.

Plan: sessions · power · updates · all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from opalink.conformance.zoo.specimen import STATUS, TYPE, Altered, Specimen, decoded, is_response, load, put, success
from opalink.protocol import codec
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.supply import Supply
from opalink.protocol.packets import FirmwareState, FwStatus, HelloResponse, Keepalive, Lane, PacketType, PwrReset

# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────


class Oblivious(Specimen):
    """Takes a KEEPALIVE that was refused for one that was answered."""

    causes = ("R-ATT-017",)
    selection = "R-ATT-017"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        refused = is_response(data) and data[TYPE] == PacketType.KEEPALIVE and data[STATUS]
        return load(put(data, STATUS, b"\0"), success(data[TYPE])) if refused else data


class CountsByTwo(Altered):
    """Counts its KEEPALIVE by two."""

    causes = ("R-ATT-016",)
    selection = "R-ATT-016"

    def alter(self, data: bytes) -> bytes:
        packet = decoded(data)
        if packet is None or not isinstance(packet.body, Keepalive):
            return data
        return codec.encode(structs.replace(packet, body=structs.replace(packet.body, seq=2 * packet.body.seq)))


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


class Unassuming(Altered):
    """Never asks for offers."""

    causes = ("R-PWR-036",)
    selection = "R-PWR-036"

    def alter(self, data: bytes) -> bytes | None:
        packet = decoded(data)
        return None if packet is not None and isinstance(packet.body, PwrReset) else data


class _Confident(Supply):
    def when_no_contract(self, _: Cause) -> bool:
        return self.contract is None


class _ConfidentModule(Module):
    parts = tuple(_Confident if part is Supply else part for part in Module.parts)


class Presuming(Specimen):
    """Takes its contract to hold although a request went unanswered."""

    causes = ("R-PWR-037",)
    selection = "R-PWR-037"

    def __init__(self) -> None:
        super().__init__()
        self.inner = _ConfidentModule()


# ── Updates ──────────────────────────────────────────────────────────────────────────────────────────


class Secretive(Specimen):
    """Does not say, when a session opens, what became of an update meanwhile."""

    causes = ("R-SEC-018",)
    selection = "R-SEC-018"
    _opened = -1

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is not None and isinstance(packet.body, HelloResponse):
            self._opened = d.time
        told = packet is not None and isinstance(packet.body, FwStatus) and packet.body.state is FirmwareState.IDLE
        return () if told and d.time == self._opened else (d,)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (Oblivious, CountsByTwo, Unassuming, Presuming, Secretive)
