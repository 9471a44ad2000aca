"""Specimens that describe themselves wrongly, one rule of the descriptor each. The module behind the description is
right: it is told apart by what it says of itself.

Plan: the specimen · records · what agrees with other packets · all.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import Claiming, Specimen
from opalink.conformance.zoo.witness import made, saying
from opalink.protocol import packets as p
from opalink.protocol.engine.module.identity import Identity
from opalink.protocol.ir.load import catalogue

Records = dict[str, Any]

# ── The specimen ─────────────────────────────────────────────────────────────────────────────────────


class _Described(Identity):
    """What a module is, and another description of it."""

    def __init__(self, true: Identity, described: Callable[[Records], Records]) -> None:
        self._described = described
        known = catalogue()
        super().__init__(known, known.profile[true.profile], true.features)

    def _describe(self) -> None:
        true = self.records
        self.records = self._described(dict(true))
        super()._describe()
        self.records = true


class Misdescribed(Specimen):
    """Describes itself as `described` does with its records."""

    plan = Plan.CI
    described: ClassVar[tuple[Callable[[Records], Records]]]

    def __init__(self) -> None:
        super().__init__()
        self.inner.identity = _Described(self.inner.identity, self.described[0])


def _describing(
    name: str, doc: str, causes: str, selection: str, described: Callable[[Records], Records]
) -> type[Specimen]:
    """One that describes itself as `described` does with its records."""
    return made(Misdescribed, name, doc, causes, selection, described=(described,))


# ── Records ──────────────────────────────────────────────────────────────────────────────────────────


def _with(record: str, **fields: object) -> Callable[[Records], Records]:
    """A description in which a record says something else."""
    return lambda records: {**records, record: structs.replace(records[record], **fields)}


def _rows(record: str, field: str, change: Callable[[Any], Any]) -> Callable[[Records], Records]:
    """A description in which the rows of a record are others."""
    return lambda records: _with(record, **{field: change(getattr(records[record], field))})(records)


def _twice(rows: Any) -> Any:
    """The last row once more."""
    return (*rows, rows[-1])


_FLASH: Final = p.Feature.FLASH

_OF_RECORDS: Final = (
    _describing(
        "Unsorted", "Gives the records of its descriptor in falling order of their tags.", "R-DSC-001",
        "MOD/DSC/RECORDS/CA-order", lambda records: dict(reversed(records.items())),
    ),
    _describing(
        "Stockpile", "Gives a least temperature above the greatest.", "R-DSC-006",
        "MOD/DSC/RECORDS/CA-ranges", _with("thermal", work_min=500, work_max=400),
    ),
    _describing(
        "Doubled", "Describes its last power mode twice.", "R-DSC-007",
        "MOD/DSC/RECORDS/CA-once", _rows("power", "modes", _twice),
    ),
    _describing(
        "Stretched", "Gives an active area 2 % wider than its array.", "R-DSC-008",
        "MOD/DSC/SENSOR/CA-numbers", _with("sensor", active_width=17_651),
    ),
    _describing(
        "Whitewashed", "Gives a white level no higher than its black level.", "R-DSC-009",
        "MOD/DSC/SENSOR/CA-numbers", _with("sensor", white_level=1024),
    ),
    _describing(
        "Depthless", "Gives no bit depth.", "R-DSC-010",
        "MOD/DSC/SENSOR/CA-numbers", _with("sensor", depths=p.BitDepth(0)),
    ),
    _describing(
        "NearestFirst", "Gives its pupils from the nearest focus to the farthest.", "R-DSC-011",
        "MOD/DSC/OPTICS/CA-pupils", _rows("optics", "pupils", lambda rows: rows[::-1]),
    ),
    _describing(
        "Sheared", "Gives a rotation whose quaternion is 0.2 % too short.", "R-DSC-012",
        "MOD/DSC/GEOMETRY/CA-pose", _with("geometry", pose_w=32_701),
    ),
    _describing(
        "Clockwise", "Gives the corners of its first shadow clockwise.", "R-DSC-013",
        "MOD/DSC/OCCLUSION/CA-outline", _rows(
            "occlusion", "shadows",
            lambda rows: (structs.replace(rows[0], outline=rows[0].outline[::-1]), *rows[1:]),
        ),
    ),
    _describing(
        "Polyglot", "Lists no protocol of time, and speaks it.", "R-DSC-005",
        "MOD/DSC/VERSIONS/CA-protocols", _rows(
            "versions", "protocols", lambda rows: tuple(r for r in rows if r.protocol != p.Protocol.REALTIME)
        ),
    ),
)  # fmt: skip

# ── What agrees with other packets ───────────────────────────────────────────────────────────────────

_ELSEWHERE: Final = (
    _describing(
        "TwoFaced", "Has one more feature in its descriptor than in its answer to HELLO.", "R-DSC-002",
        "MOD/ATT/HELLO/CA-features",
        lambda records: _with("features", features=records["features"].features | _FLASH)(records),
    ),
    _describing(
        "Miscalibrated", "Lists another digest of a calibration object than that has.", "R-DSC-014",
        "MOD/MGT/DESC_READ/CA-calibration", _rows(
            "calibration", "objects", lambda rows: (*rows[:-1], structs.replace(rows[-1], sha256=bytes(32)))
        ),
    ),
    _describing(
        "Understated", "Draws more than the peak of its descriptor.", "R-DSC-015",
        "MOD/PWR/BUDGET/BV-video", _with("power", peak=50),
    ),
    _describing(
        "GearShifter", "Has one gear less in its descriptor than in BEACON.", "R-DSC-016",
        "MOD/ATT/BEACON/CA-link", _with("link", gears_down=p.GearMask(24)),
    ),
    saying(
        "Tepid", "Leaves its last sensor out of THERMAL_STATUS.", "R-DSC-017", "MOD/PWR/HEAT/BV-severity",
        p.ThermalStatus, lambda body: structs.replace(body, sensors=body.sensors[:-1]),
    ),
)  # fmt: skip


class Lacking(Claiming):
    """Lacks a feature that its profile requires."""

    causes = ("R-DSC-003",)
    selection = "MOD/DSC/PROFILE/CA-features"
    hidden = frozenset({"PDAF"})


class Surplus(Claiming):
    """Has a feature that its profile does not name."""

    causes = ("R-DSC-004",)
    selection = "MOD/DSC/PROFILE/CA-features"
    claimed = frozenset({"FLASH"})


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (*_OF_RECORDS, *_ELSEWHERE, Lacking, Surplus)
