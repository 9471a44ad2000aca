"""What the descriptors of the reference modules are written with: a short word for every record.

Plan: numbers by name · records of every module · records that a feature brings · calibration data.

Each word returns a record as (name, {field: wire value}). What follows from the features is derived from them here,
so that a profile states its features once.
"""

import hashlib
from typing import Any, Final

from opalink.spec import limits
from opalink.spec.capture import CfaPattern
from opalink.spec.descriptor import PROTOCOLS, BitDepth, ElementKinds, PowerMode, SpdmAlgorithm
from opalink.spec.dialect import Choices, Flags
from opalink.spec.features import FEATURES
from opalink.spec.lens import ControlId
from opalink.spec.link import FecMask, GearMask, LaserClass
from opalink.spec.management import DescriptorObject, ElementKind
from opalink.spec.power import PowerClass, ThermalPart
from opalink.spec.realtime import TimeClass

Entry = tuple[str, dict[str, Any]]
Point = tuple[int, int]

# ── Numbers by name ──────────────────────────────────────────────────────────────────────────────────


def number(choices: Choices, name: str) -> int:
    """The number of a member."""
    return next(m.value for m in choices.members if m.name == name)


def mask(flags: Flags, names: str) -> int:
    """The bits of several members."""
    return sum(1 << next(m.value for m in flags.members if m.name == name) for name in names.split())


# ── Records of every module ──────────────────────────────────────────────────────────────────────────

VENDOR: Final = 0x02_4F_50  # locally administered: an OUI that is nobody's
_MADE: Final = 20_465  # 2026-01-12, in days since 1970-01-01


def identity(model: int, name: str) -> Entry:
    return "identity", {
        "vendor": VENDOR,
        "model": model,
        "serial": f"REFERENCE{model:07}".encode(),
        "hardware": 1,
        "firmware": 0x0001_0000_0000_0000,
        "built": _MADE,
        "vendor_name": b"OPAL reference",
        "model_name": name.encode(),
    }


def versions(features: tuple[str, ...]) -> Entry:
    """Every protocol of which the module has a packet, in the version of this specification."""
    spoken = [i for i, g in enumerate(PROTOCOLS) if any(not p.needs or {*p.needs} & {*features} for p in g.packets)]
    major, minor = limits.VERSION_MAJOR, limits.VERSION_MINOR
    return "versions", {"protocols": [{"protocol": i, "major": major, "minor": minor} for i in spoken]}


def features(profile: str, names: tuple[str, ...]) -> Entry:
    return "features", {"features": mask(FEATURES, " ".join(names)), "profile": profile.encode()}


def geometry(
    mass: int,
    size: tuple[int, int, int],
    *,
    centre: tuple[int, int, int] = (0, 0, 0),
    axis: tuple[int, int, int] = (0, 0, 0),
    pose: tuple[int, int, int, int] = (32767, 0, 0, 0),
) -> Entry:
    """Mass in g; width, height, depth and places in um."""
    return "geometry", {
        "mass": mass,
        **dict(zip(("centre_x", "centre_y", "centre_z"), centre, strict=True)),
        **dict(zip(("width", "height", "depth"), size, strict=True)),
        **dict(zip(("pose_w", "pose_i", "pose_j", "pose_k"), pose, strict=True)),
        **dict(zip(("axis_x", "axis_y", "axis_z"), axis, strict=True)),
    }


def box(left: int, bottom: int, right: int, top: int) -> tuple[Point, ...]:
    """The outline of a rectangle."""
    return (left, bottom), (right, bottom), (right, top), (left, top)


def octagon(radius: int) -> tuple[Point, ...]:
    """The outline of a barrel around the origin."""
    d = radius * 7071 // 10_000
    return (radius, 0), (d, d), (0, radius), (-d, d), (-radius, 0), (-d, -d), (0, -radius), (d, -d)


def occlusion(shadows: dict[int, tuple[Point, ...]]) -> Entry:
    """Outlines by slot."""
    return "occlusion", {
        "shadows": [{"slot": n, "outline": [{"x": x, "y": y} for x, y in outline]} for n, outline in shadows.items()]
    }


def power(power_class: str, peak: int, peak_time: int, battery: int = 0, **modes: int) -> Entry:
    """Power in mW by mode, the peak's time in ms, the battery in mWh."""
    return "power", {
        "power_class": number(PowerClass, power_class),
        "peak": peak,
        "peak_time": peak_time,
        "battery": battery,
        "modes": [{"mode": number(PowerMode, mode), "power": mw} for mode, mw in modes.items()],
    }


def conformance(profile: str) -> Entry:
    """No run yet: a reference module is what runs are compared with."""
    return "conformance", {"result": bytes(32), "suite": b"", "profile": profile.encode()}


# ── Records that a feature brings ────────────────────────────────────────────────────────────────────


def sensor(
    array: tuple[int, int],
    pitch: int,
    cfa: str,
    depths: str,
    *,
    levels: tuple[int, int],
    gain: tuple[int, int],
    switch: int = 0,
    exposure: tuple[int, int],
    readout: int,
) -> Entry:
    """Columns and rows, the pitch in nm, levels of black and of white, gain in 0.01 (with that of the second conversion
    gain), exposure in ns, rows a second. The active area in um follows from array and pitch."""
    return "sensor", {
        "array_width": array[0],
        "array_height": array[1],
        "pitch": pitch,
        "active_width": round(array[0] * pitch / 1000),
        "active_height": round(array[1] * pitch / 1000),
        "cfa": number(CfaPattern, cfa),
        "depths": mask(BitDepth, depths),
        "black_level": levels[0],
        "white_level": levels[1],
        "gain_min": gain[0],
        "gain_max": gain[1],
        "gain_switch": switch,
        "exposure_min": exposure[0],
        "exposure_max": exposure[1],
        "readout": readout,
    }


def optics(
    focal: tuple[int, int],
    av: tuple[int, int],
    focus: tuple[int, int],
    *,
    image_circle: int,
    pupils: tuple[tuple[int, int, int], ...],
    flange: int = 0,
) -> Entry:
    """Focal lengths in um, aperture values in 1/256, focus from far to near in 0.001 D, pupils as (focus, entrance,
    exit)."""
    return "optics", {
        "focal_min": focal[0],
        "focal_max": focal[1],
        "av_min": av[0],
        "av_max": av[1],
        "focus_far": focus[0],
        "focus_near": focus[1],
        "image_circle": image_circle,
        "flange": flange,
        "pupils": [{"focus": at, "entrance": entrance, "exit": leaving} for at, entrance, leaving in pupils],
    }


def rings(*turned: tuple[str, int, int, int]) -> Entry:
    """Each as (control, counts of a turn, degrees of travel, detents of a turn)."""
    return "rings", {
        "rings": [
            {"control": number(ControlId, name), "counts": counts, "travel": travel, "detents": detents}
            for name, counts, travel, detents in turned
        ]
    }


def stack(kind: str, thickness: int, elements: int, sees: str, density: int = 0) -> Entry:
    """What it is as an element itself, its thickness in um and density in 0.001 OD; how many elements it can see upon
    itself, and of which kinds."""
    return "stack", {
        "kind": number(ElementKind, kind),
        "thickness": thickness,
        "density": density,
        "kinds": mask(ElementKinds, sees),
        "elements": elements,
    }


def thermal(capacity: int, resistance: int, work: tuple[int, int], **parts: int) -> Entry:
    """In 0.1 J/K, 0.01 K/W and 0.1 degC; limits by the part that is measured."""
    return "thermal", {
        "capacity": capacity,
        "resistance": resistance,
        "work_min": work[0],
        "work_max": work[1],
        "sensors": [
            {"sensor": i, "part": number(ThermalPart, part), "limit": limit}
            for i, (part, limit) in enumerate(parts.items())
        ],
    }


def laser(gears_down: str, fec: str = "NONE RS_528_514 RS_544_514") -> Entry:
    """The emitter and receiver that all reference modules share: 940 nm, class 1 (at most 1.18 mW, +0.7 dBm)."""
    return "link", {
        "wavelength": 940,
        "laser_class": number(LaserClass, "CLASS_1"),
        "tx_min": -700,
        "tx_max": 50,
        "rx_min": -1400,
        "rx_max": 50,
        "beam": 500,
        "gears_down": mask(GearMask, gears_down),
        "gears_up": mask(GearMask, "G1"),
        "fec": mask(FecMask, fec),
    }


def time_class(accuracy: str, drift: int) -> Entry:
    """Drift in 0.01 ppm."""
    return "time_class", {"accuracy": number(TimeClass, accuracy), "drift": drift}


SECURITY: Final[Entry] = (
    "security",
    {"slots": 0x01, "algorithms": mask(SpdmAlgorithm, "SHA_256 SHA_384 ECDSA_P256 ECDSA_P384"), "measurements": 4},
)

# ── Calibration data ─────────────────────────────────────────────────────────────────────────────────

# Sizes as such objects have them: a grid of gains in four colours, a few polynomials, a list of places.
_OBJECT_BYTES: Final = {
    "SHADING": 4 * 33 * 25 * 2,
    "DISTORTION": 192,
    "CHROMATIC_ABERRATION": 384,
    "FOCUS_BREATHING": 128,
    "OIS_MATRIX": 72,
    "DEFECT_MAP": 6000,
}


def calibration_data(profile: str, name: str) -> bytes:
    """What DESC_READ reads of a reference module's object: repeatable, and different for each."""
    return hashlib.shake_256(f"{profile} {name}".encode()).digest(_OBJECT_BYTES[name])


def calibration(profile: str, names: str) -> Entry:
    """Objects by name, measured at 23.0 degC when the module was made."""
    return "calibration", {
        "objects": [
            {
                "object": number(DescriptorObject, name),
                "size": len(data := calibration_data(profile, name)),
                "sha256": hashlib.sha256(data).digest(),
                "temperature": 230,
                "measured": _MADE,
            }
            for name in names.split()
        ]
    }
