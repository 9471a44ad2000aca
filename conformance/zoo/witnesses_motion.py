"""Specimens that break the rules of time, triggers, of samples of motion, and of the stabiliser, one each.

Plan: time · triggers and motion · the stabiliser · all.
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import TYPE, Specimen, decoded, is_response, rewritten
from opalink.conformance.zoo.witness import hearing, saying
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import Lane, OisTargetKind, PacketType
from opalink.spec.form import MS

# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────


class Jittery(Specimen):
    """Stamps every second TIME_SYNC a millisecond before it leaves."""

    causes = ("R-TIM-002",)
    plan = Plan.CI
    selection = "MOD/TIM/SYNC/BV-stamps"
    _early = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, p.TimeSync):
            return (d,)
        self._early = 0 if self._early or packet.body.t1 < MS else MS
        return (rewritten(d, packet, t1=packet.body.t1 - self._early),)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        packet = decoded(data)
        if packet is None or not isinstance(packet.body, p.TimeSyncResponse):
            return data
        body = structs.replace(packet.body, t1=packet.body.t1 + self._early)
        return codec.encode(structs.replace(packet, body=body))


# ── Triggers and motion ──────────────────────────────────────────────────────────────────────────────


class _EverySecond(Specimen):
    """Sends every second of some events only."""

    plan = Plan.CI
    event: ClassVar[PacketType]
    _count = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        if is_response(d.data) or d.data[TYPE] != self.event:
            return (d,)
        self._count += 1
        return (d,) if self._count % 2 else ()


class Staggering(_EverySecond):
    """Leaves every second batch of its motion out."""

    causes = ("R-TIM-018",)
    selection = "MOD/TIM/IMU/BV-streaming"
    event = PacketType.IMU_BATCH


_MOTION: Final = (
    saying(
        "Boastful", "Gives another error of a trigger than it had.", "R-TIM-014", "MOD/TIM/TRIGGER/BV-fired",
        p.TriggerFired, lambda body: structs.replace(body, error=body.error + 1),
    ),
    saying(
        "Overlapping", "Begins a batch of its motion with the last sample of the one before.", "R-TIM-017",
        "MOD/TIM/IMU/BV-streaming", p.ImuBatch,
        lambda body: structs.replace(body, samples=(*body.samples, body.samples[-1])),
    ),
)  # fmt: skip

# ── The stabiliser ───────────────────────────────────────────────────────────────────────────────────


class Blinking(_EverySecond):
    """Leaves every second batch of its stabiliser's places out."""

    causes = ("R-TIM-020",)
    selection = "MOD/TIM/OIS/BV-samples"
    event = PacketType.OIS_SAMPLES


_STABILISER: Final = (
    saying(
        "Silent", "Never says where its stabiliser is.", "R-TIM-019", "MOD/TIM/OIS/BV-samples",
        p.OisSamples, lambda _: None,
    ),
    hearing(
        "Timid", "Stays where it is when a target is out of its reach.", "R-TIM-021", "MOD/TIM/OIS/BV-out_of_reach",
        p.OisTarget, lambda body: None if abs(body.x) > 10_000 else body,
    ),
    hearing(
        "Unforgiving", "Does not follow a target whose moment has passed.", "R-TIM-022", "MOD/TIM/OIS/BV-target",
        p.OisTarget, lambda body: None if body.apply < MS else body,
    ),
    hearing(
        "Obedient", "Goes to the centres of a phone that is to give it places.", "R-TIM-023", "MOD/TIM/OIS/BO-mode",
        p.OisTarget, lambda body: structs.replace(body, mode=OisTargetKind.POSITION),
    ),
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (Jittery, *_MOTION, Staggering, *_STABILISER, Blinking)
