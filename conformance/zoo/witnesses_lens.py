"""Specimens that break the rules of the lens, of its controls, and of properties, one each.

Plan: focus, aperture, zoom · what is reported · controls · properties · all.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import Specimen, decoded, rewritten
from opalink.conformance.zoo.witness import Answering, answering, saying
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import ControlId, Lane, OperationTag, OpticTiming, Outcome, PacketType, PropertyTag

_STANDALONE: Final = "standalone"

# ── Focus, aperture, zoom ────────────────────────────────────────────────────────────────────────────

_OPTICS: Final = (
    answering(
        "Absentee", "Says of a part that it has not that the place is out of its range.", "R-LEN-014",
        "MOD/LEN/OPTIC/BI-no_motor", PacketType.OPTIC_SET, Status.RANGE_LIMIT, Status.NO_SUCH_ID,
    ),
    answering(
        "Unbounded", "Says of a place beyond a part's range that its motor is blocked.", "R-LEN-015",
        "MOD/LEN/OPTIC/BI-beyond", PacketType.OPTIC_SET, Status.MOTOR_BLOCKED, Status.RANGE_LIMIT,
    ),
    answering(
        "Approximate", "Does not say that it stands elsewhere than it was told.", "R-LEN-016",
        "MOD/LEN/OPTIC/BV-between", PacketType.OPTIC_SET, Status.OK, Status.ADJUSTED, "zoom-flash",
    ),
    answering(
        "Jammed", "Says of a blocked motor that the place is out of its range.", "R-LEN-026",
        "MOD/LEN/OPTIC/BI-blocked", PacketType.OPTIC_SET, Status.RANGE_LIMIT, Status.MOTOR_BLOCKED,
    ),
)  # fmt: skip


class Disowning(Answering):
    """Says of a zoom that is turned by hand that it has it not."""

    causes = ("R-LEN-013",)
    plan = Plan.CI
    selection = "MOD/LEN/OPTIC/BI-no_motor"
    asked, instead, of = PacketType.OPTIC_SET, Status.NO_SUCH_ID, Status.READ_ONLY

    def __init__(self) -> None:
        super().__init__()
        profile = catalogue().profile[self.inner.identity.profile]
        ring = {"control": ControlId.ZOOM_RING, "counts": 1024, "detents": 0, "travel": 0}
        records = (
            (name, {"rings": [*fields["rings"], ring]} if name == "rings" else fields)
            for name, fields in profile.descriptor
        )
        self.inner = Module(structs.replace(profile, descriptor=tuple(records)))


class Hurrying(Specimen):
    """Exposes a frame while its aperture moves, when it is to move that between frames."""

    causes = ("R-LEN-017",)
    plan = Plan.CI
    selection = "MOD/LEN/OPTIC/BV-between_frames"
    _stood = 0  # the aperture of the last frame
    _moves = False

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        packet = decoded(data)
        self._moves |= packet is not None and getattr(packet.body, "timing", None) is OpticTiming.BETWEEN_FRAMES
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, p.FrameLeader):
            return (d,)
        values = {t.tag: t.value for t in packet.body.settings}
        stands, before = values[PropertyTag.APERTURE], self._stood
        self._stood = stands
        if not self._moves or stands == before:
            return (d,)
        settings = tuple(Tlv(*x) for x in (values | {PropertyTag.APERTURE: (before + stands) // 2}).items())
        return (rewritten(d, packet, settings=settings),)


# ── What is reported ─────────────────────────────────────────────────────────────────────────────────

_REPORTS: Final = (
    saying(
        "Nearsighted", "Reports a focus nearer than its near limit.", "R-LEN-012", "MOD/LEN/FOCUS/BV-move",
        p.FocusState, lambda body: structs.replace(body, position=body.near_limit + 1),
    ),
    saying(
        "Lensless", "Never says where its lens stands.", "R-LEN-018", "MOD/LEN/STATE/BV-streaming",
        p.LensState, lambda _: None,
    ),
    saying(
        "Guessing", "Gives a density that it does not mark as known.", "R-LEN-019", "MOD/LEN/STATE/BV-streaming",
        p.LensState, lambda body: structs.replace(body, density=30),
    ),
)  # fmt: skip

# ── Controls ─────────────────────────────────────────────────────────────────────────────────────────

_CONTROLS: Final = (
    answering(
        "Possessive", "Says of a ring that it has not that it cannot be set.", "R-LEN-005",
        "MOD/LEN/OWNER/BI-no_control", PacketType.CONTROL_OWNER, Status.READ_ONLY, Status.NO_SUCH_ID,
    ),
    saying(
        "Unwinding", "Gives always the same position of a ring.", "R-LEN-020", "MOD/LEN/RING/BV-every_turn",
        p.ControlEvent, lambda body: structs.replace(body, absolute=0),
    ),
)  # fmt: skip

# ── Properties ───────────────────────────────────────────────────────────────────────────────────────


def _settable_by_hand(body: Any) -> Any:
    """A description in which the focal length, which has no motor, can be set."""
    extra = p.PropertyDesc(
        id=PropertyTag.FOCAL_LENGTH,
        type=p.PropertyType.U32,
        access=p.PropertyAccess.READ_WRITE,
        unit=p.PropertyUnit.UM,
        minimum=17_500,
        maximum=17_500,
        initial=17_500,
    )
    at = next((n for n, d in enumerate(body.described) if d.id == PropertyTag.FOCUS_SPEED), None)
    if at is None:  # the next by its tag is on another page
        return body
    return structs.replace(body, described=(*body.described[:at], extra, *body.described[at:]))


def _without(tag: PropertyTag) -> Any:
    """The change that takes a property out of PROP_CHANGED."""

    def change(body: Any) -> Any:
        left = tuple(t for t in body.properties if t.tag != tag)
        return structs.replace(body, properties=left) if left else None

    return change


def _by_two(body: Any) -> Any:
    return structs.replace(
        body,
        properties=tuple(
            Tlv(t.tag, 2 * t.value) if t.tag == PropertyTag.STACK_GENERATION else t for t in body.properties
        ),
    )


class Stopped(Specimen):
    """Lets its clock stand while it is detached."""

    causes = ("R-PROP-006",)
    plan = Plan.CI
    selection = "MOD/PROP/CLOCK/BV-detached"
    profile = _STANDALONE
    _since = 0

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if operation.tag == OperationTag.DETACH:
            self._since = now
        elif operation.tag == OperationTag.ATTACH:
            self.inner.properties.wall_clock -= now - self._since
        return super().operate(operation, now)


def _commanding(tag: PropertyTag) -> Any:
    """The change that puts a command of no meaning into PROP_CHANGED."""
    return lambda body: structs.replace(body, properties=(*body.properties, Tlv(tag, 0xFF)))


_PROPERTIES: Final = (
    saying(
        "Testy", "Reports a self-test of a level that there is not.", "R-TLV-122", "MOD/MGT/STACK/BV-change",
        p.PropChanged, _commanding(PropertyTag.SELF_TEST),
    ),
    saying(
        "Homesick", "Reports the homing of a motor that there is not.", "R-TLV-123", "MOD/MGT/STACK/BV-change",
        p.PropChanged, _commanding(PropertyTag.MOTOR_HOME),
    ),
    saying(
        "Handled", "Describes a focal length that is turned by hand as one that can be set.", "R-PROP-002",
        "MOD/PROP/ACCESS", p.PropDescResponse, _settable_by_hand,
    ),
    saying(
        "Stateless", "Does not report that its battery has another state.", "R-PROP-003", "MOD/PROP/BATTERY",
        p.PropChanged, _without(PropertyTag.BATTERY_STATE), _STANDALONE,
    ),
    saying(
        "Draining", "Does not report that its battery has another level.", "R-PROP-004", "MOD/PROP/BATTERY/BV-level",
        p.PropChanged, _without(PropertyTag.BATTERY_LEVEL), _STANDALONE,
    ),
    saying(
        "Leaping", "Raises its stack generation by two.", "R-PROP-005", "MOD/MGT/STACK/BV-change",
        p.PropChanged, _by_two,
    ),
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    *_OPTICS, Disowning, Hurrying, *_REPORTS, *_CONTROLS, Stopped, *_PROPERTIES,
)  # fmt: skip
