"""What goes on between a phone and a module, as it goes on: states, throughput, light, power, heat and seat.

Plan: a moment · the watch · how a moment reads.
"""

from collections import Counter, deque
from collections.abc import Iterator
from math import log10
from typing import Final

from msgspec import Struct

from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.packets import Lane, VirtualChannel
from opalink.spec.form import SECOND, Role

_CHANNEL: Final = 2  # byte of the header whose upper half is the channel
_SAID: Final = 8  # packets that are remembered
_QUIET: Final = frozenset({"FRAME_BLOCK", "TIME_SYNC", "KEEPALIVE", "IMU_BATCH", "OIS_SAMPLES"})


class Moment(Struct, frozen=True):
    """How things are. Rates are per second of link time since the moment before; what is not known is None."""

    time: int  # ns of link time
    states: dict[str, str]
    rates: dict[str, int]  # bits a second, by channel and direction
    frames: float  # a second
    ber: float | None  # before correction, from the module
    received: float | None  # dBm
    volts: float | None
    power: int | None  # mW that the module says it draws
    contract: int | None  # mW
    heat: float | None  # degC, the hottest sensor
    seat: int | None  # per cent
    last: tuple[str, ...]  # what was said, the newest last


class Watch:
    """Looks on while a meeting runs."""

    def __init__(self, meeting: Meeting, gateway: Gateway | None = None) -> None:
        self._meeting, self._gateway = meeting, gateway
        self._bits: Counter[tuple[int, Role]] = Counter()
        self._names = {p.code: p.name for p in meeting.phone.catalogue.packets}
        self._said: deque[str] = deque(maxlen=_SAID)
        self._frames = 0
        self._since = meeting.now
        meeting.taps.append(self._see)
        meeting.phone.on_frame = lambda _: self._count()

    def _see(self, time: int, side: Role, lane: Lane, data: bytes) -> None:
        self._bits[data[_CHANNEL] >> 4, side] += len(data) * 8
        name = self._names.get(data[1], f"type {data[1]}")
        if name not in _QUIET:
            form = "answers" if data[0] >> 3 & 1 else "sends"
            self._said.append(f"{time / SECOND:9.6f} s  {side} {form} {name} on the {Lane(lane).name.lower()}")

    def _count(self) -> None:
        self._frames += 1

    def moment(self) -> Moment:
        """How things are now; the rates begin anew."""
        meeting, phone = self._meeting, self._meeting.phone
        span = max(1, meeting.now - self._since)
        rates = {
            f"{VirtualChannel(vc).name} from the {side}": bits * SECOND // span
            for (vc, side), bits in sorted(self._bits.items(), key=lambda item: (item[0][1], item[0][0]))
        }
        frames = self._frames * SECOND / span
        self._bits.clear()
        self._frames, self._since = 0, meeting.now
        motion, contract = phone.motion, phone.supply.contract
        light = self._gateway.channel.light("down", meeting.now) if self._gateway else None
        return Moment(
            time=meeting.now,
            states={name: run.state for name, run in phone.runs.items()},
            rates=rates,
            frames=frames,
            ber=light.ber if light else None,
            received=light.power_dbm if light else None,
            volts=self._gateway.channel.seat(meeting.now).volts if self._gateway else None,
            power=motion.power.power if motion.power else None,
            contract=contract.power if contract else None,
            heat=max(t.reading for t in motion.heat.sensors) / 10 if motion.heat and motion.heat.sensors else None,
            seat=motion.seat.quality if motion.seat else None,
            last=tuple(self._said),
        )


# ── How a moment reads ───────────────────────────────────────────────────────────────────────────────


def rows(m: Moment) -> Iterator[tuple[str, str]]:
    """A moment as names and values, for a table."""
    yield "link time", f"{m.time / SECOND:.3f} s"
    for name, state in m.states.items():
        yield name.lower(), state
    yield "frames", f"{m.frames:.1f} a second"
    for channel, bits in m.rates.items():
        yield channel.lower(), _bits(bits)
    yield "errors before correction", "–" if m.ber is None else f"10^{log10(m.ber):.1f}" if m.ber else "none"
    yield "light received", _unit(m.received, "dBm", 1)
    yield "contacts", _unit(m.volts, "V", 2)
    yield "power drawn", _unit(m.power, "mW")
    yield "contract", _unit(m.contract, "mW")
    yield "hottest", _unit(m.heat, "°C", 1)
    yield "seat", _unit(m.seat, "%")


def line(m: Moment) -> str:
    """A moment in one line, for a log."""
    total = _bits(sum(m.rates.values()))
    states = f"{m.states['ATTACH']}, link {m.states['LINK']}, power {m.states['POWER']}, {m.states['CAPTURE']}"
    return f"{m.time / SECOND:9.3f} s  {states}  {total}  {m.frames:.1f} frames/s  {_unit(m.power, 'mW')}"


def _bits(bits: int) -> str:
    for size, name in ((10**9, "Gb/s"), (10**6, "Mb/s"), (10**3, "kb/s")):
        if bits >= size:
            return f"{bits / size:.2f} {name}"
    return f"{bits} b/s"


def _unit(value: float | None, unit: str, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}"
