"""Profiles: the kinds of module that the protocol was made for, each with the descriptor of its reference module.

Plan: how a profile is written · cameras · what stands before a lens · cameras of their own.

A profile names the features without which a module is not of its kind, and those that it may have beside. `also`
are those of the latter that the reference module has: together the seven have every feature.
"""

from typing import Final

from opalink.spec.descriptor import RECORDS
from opalink.spec.form import Profile
from opalink.spec.profile_records import (
    SECURITY,
    Entry,
    box,
    calibration,
    conformance,
    features,
    geometry,
    identity,
    laser,
    occlusion,
    octagon,
    optics,
    power,
    rings,
    sensor,
    stack,
    thermal,
    time_class,
    versions,
)

# ── How a profile is written ─────────────────────────────────────────────────────────────────────────

_ORDER: Final = {r.name: r.tag for r in RECORDS.records}


def _profile(
    name: str, doc: str, *, model: tuple[int, str], requires: str, allows: str, also: str, records: tuple[Entry, ...]
) -> Profile:
    """A profile; its descriptor is `records` and what follows from the rest."""
    has = (*requires.split(), *also.split())
    derived = (identity(*model), versions(has), features(name, has), conformance(name))
    descriptor = tuple(sorted((*derived, *records), key=lambda entry: _ORDER[entry[0]]))
    return Profile(name, doc, tuple(requires.split()), tuple(allows.split()), descriptor)


# ── Cameras ──────────────────────────────────────────────────────────────────────────────────────────

# 100 MP on 17.3 × 13.0 mm, 35 mm equivalent f/1.4 to f/11, about 100 g, fed and cooled by nothing but the phone.
FOUR_THIRDS: Final = _profile(
    "four-thirds",
    "A whole camera for the phone's back: Four Thirds sensor, fast prime with a focus ring, power from the phone.",
    model=(1, "Four Thirds 100"),
    requires="LASER SENSOR VIDEO BUFFER LENS FOCUS_MOTOR APERTURE_MOTOR CONTROLS OIS IMU PDAF STATISTICS TIME TRIGGER "
    "PLAN ROI CONTRACT TEMPERATURE",
    allows="RESERVE STACK SECURITY FIRMWARE VENDOR",
    also="RESERVE STACK SECURITY FIRMWARE VENDOR",
    records=(
        sensor(
            (11_552, 8664),
            1498,
            "QUAD_RGGB",
            "RAW10 RAW12 RAW14",
            levels=(1024, 16_000),
            gain=(100, 6400),
            switch=400,
            exposure=(20_000, 30_000_000_000),
            readout=140_000,
        ),
        optics(
            (17_500, 17_500),
            (256, 1792),
            (0, 4000),
            image_circle=22_400,
            pupils=((0, 31_400, 42_800), (2000, 32_100, 43_000), (4000, 32_900, 43_300)),
        ),
        rings(("FOCUS_RING", 4096, 0, 0)),
        # Tilted by 4 mrad: little, but enough that ignoring the pose shows.
        geometry(
            100, (60_000, 60_000, 40_000), centre=(0, -300, 17_400), axis=(40, -25, 9800), pose=(32_767, 52, -31, 8)
        ),
        occlusion({1: octagon(30_000), 2: box(-30_000, -12_000, -8000, 12_000)}),
        stack("OTHER", 40_000, 4, "TUBE DENSITY POLARISER COLOUR CLOSE_UP CONVERTER HOOD"),
        calibration("four-thirds", "SHADING DISTORTION CHROMATIC_ABERRATION FOCUS_BREATHING OIS_MATRIX DEFECT_MAP"),
        power("P4", 7200, 200, STANDBY=120, IDLE=400, PREVIEW=1400, VIDEO=3000, STILL=4600, MOTOR=1500),
        thermal(800, 963, (0, 400), SHELL=480, IMAGE_SENSOR=700, PROCESSOR=850, LASER=700, MOTORS=750, CONTACTS=600),
        laser("G2 G3 G4"),
        time_class("T1", 2000),
        SECURITY,
    ),
)

ULTRAWIDE_PRIME: Final = _profile(
    "ultrawide-prime",
    "A small camera with a fixed lens, by whoever wants to build one: little to describe, nothing to turn.",
    model=(2, "Ultrawide 14"),
    requires="LASER SENSOR VIDEO LENS TIME CONTRACT",
    allows="BUFFER FOCUS_MOTOR IMU PDAF STATISTICS TRIGGER PLAN ROI TEMPERATURE RESERVE STACK SECURITY FIRMWARE VENDOR",
    also="FOCUS_MOTOR STATISTICS ROI TEMPERATURE FIRMWARE",
    records=(
        sensor(
            (8192, 6144),
            1200,
            "QUAD_GRBG",
            "RAW10 RAW12",
            levels=(256, 4095),
            gain=(100, 3200),
            exposure=(15_000, 4_000_000_000),
            readout=185_000,
        ),
        # f/2.2, 14 mm equivalent.
        optics((3980, 3980), (582, 582), (0, 10_000), image_circle=12_600, pupils=((0, 6100, 9400),)),
        geometry(42, (38_000, 38_000, 18_000), centre=(0, 0, 8100), axis=(0, 0, 4600)),
        occlusion({1: octagon(19_000)}),
        calibration("ultrawide-prime", "SHADING DISTORTION DEFECT_MAP"),
        power("P2", 2600, 100, STANDBY=80, IDLE=220, PREVIEW=900, VIDEO=1900, STILL=2200, MOTOR=300),
        thermal(340, 1600, (0, 400), SHELL=480, IMAGE_SENSOR=700),
        laser("G2 G3 G4"),
        time_class("T0", 4000),
    ),
)

# ── What stands before a lens, or under one ──────────────────────────────────────────────────────────

MACRO_TUBE: Final = _profile(
    "macro-tube",
    "A passive element with an identity chip: no sensor, no laser, no motor.",
    model=(3, "Macro tube 12"),
    requires="STACK",
    allows="SECURITY VENDOR",
    also="",
    records=(
        geometry(24, (60_000, 60_000, 12_000), centre=(0, 0, 6000)),
        occlusion({1: octagon(30_000)}),
        stack("TUBE", 12_000, 1, "TUBE DENSITY POLARISER COLOUR CLOSE_UP"),
        power("P0", 40, 5, IDLE=15),
    ),
)

VARIABLE_ND: Final = _profile(
    "variable-nd",
    "A motor-driven neutral density filter between a camera and the scene.",
    model=(4, "Variable ND 2-64"),
    requires="ND_MOTOR STACK CONTRACT",
    allows="CONTROLS TEMPERATURE SECURITY FIRMWARE VENDOR",
    also="CONTROLS",
    records=(
        rings(("ND_RING", 720, 90, 0)),
        ("nd", {"density_min": 301, "density_max": 1806, "steps": 0, "settle": 600}),
        geometry(58, (62_000, 62_000, 11_000), centre=(0, -1200, 5400)),
        occlusion({1: octagon(31_000)}),
        stack("DENSITY", 11_000, 2, "TUBE POLARISER COLOUR HOOD", density=301),
        power("P1", 1400, 40, IDLE=30, MOTOR=900),
    ),
)

# The lens is turned by hand and known by the code on its flange; 27.80 mm is Leica's M mount.
LENS_ADAPTER: Final = _profile(
    "lens-adapter",
    "A mount for manual lenses whose picture falls on a sensor in the phone: lens data and controls, no frames.",
    model=(5, "M adapter"),
    requires="LENS CONTROLS",
    allows="LASER STACK IMU TEMPERATURE CONTRACT TIME SECURITY FIRMWARE VENDOR",
    also="STACK",
    records=(
        optics(
            (35_000, 35_000),
            (256, 2048),
            (0, 1429),
            image_circle=43_300,
            flange=27_800,
            pupils=((0, 43_000, 51_000), (1429, 44_900, 51_900)),
        ),
        rings(("FOCUS_RING", 2048, 90, 0), ("APERTURE_RING", 720, 120, 48)),
        geometry(66, (62_000, 62_000, 22_000), centre=(0, 0, 10_800)),
        occlusion({1: octagon(31_000), 2: octagon(31_000)}),
        stack("ADAPTER", 22_000, 1, "TUBE CONVERTER"),
        calibration("lens-adapter", "SHADING DISTORTION"),
        power("P0", 300, 10, IDLE=60),
    ),
)

# ── Cameras of their own ─────────────────────────────────────────────────────────────────────────────

# After the Hasselblad True Zoom: 12 MP, 25 to 250 mm equivalent f/3.5 to f/6.5, 145 g, no battery.
ZOOM_FLASH: Final = _profile(
    "zoom-flash",
    "A camera over the phone's whole back: long zoom, xenon flash, shutter button, a link of limited rate.",
    model=(6, "Zoom 10x"),
    requires="LASER SENSOR VIDEO LENS FOCUS_MOTOR ZOOM_MOTOR FLASH CONTROLS CONTRACT RESERVE TIME",
    allows="BUFFER APERTURE_MOTOR OIS IMU PDAF STATISTICS TRIGGER PLAN ROI TEMPERATURE STACK SECURITY FIRMWARE VENDOR",
    also="APERTURE_MOTOR OIS STATISTICS TRIGGER TEMPERATURE FIRMWARE",
    records=(
        sensor(
            (4032, 3024),
            1550,
            "GRBG",
            "RAW10 RAW12",
            levels=(256, 4095),
            gain=(100, 3200),
            exposure=(30_000, 2_000_000_000),
            readout=91_000,
        ),
        optics(
            (4450, 44_500),
            (925, 1536),
            (0, 20_000),
            image_circle=8000,
            pupils=((0, 14_800, 21_500), (20_000, 13_900, 21_800)),
        ),
        rings(("ZOOM_RING", 256, 40, 0)),
        geometry(145, (152_300, 72_900, 15_100), centre=(21_000, 3400, 6300), axis=(46_000, 8000, 5200)),
        occlusion({n: box(-76_150, -36_450, 76_150, 36_450) for n in range(3)}),
        calibration("zoom-flash", "SHADING DISTORTION CHROMATIC_ABERRATION OIS_MATRIX DEFECT_MAP"),
        power("P3", 4900, 3000, STANDBY=90, IDLE=280, PREVIEW=1300, VIDEO=2400, STILL=2600, MOTOR=1200, FLASH=4600),
        thermal(1160, 640, (0, 400), SHELL=480, IMAGE_SENSOR=700, FLASH=850),
        laser("G2 G3", fec="NONE RS_528_514"),
        time_class("T0", 4000),
    ),
)

# After the Sony QX100: 20 MP on 13.2 × 8.8 mm, 28 to 100 mm equivalent f/1.8 to f/11, 179 g.
STANDALONE: Final = _profile(
    "standalone",
    "A camera with a battery and a memory, which shoots while detached and can feed the phone.",
    model=(7, "Standalone 20"),
    requires="LASER SENSOR VIDEO BUFFER STORAGE LENS FOCUS_MOTOR CONTROLS CONTRACT BATTERY ROLE_SWAP WALL_CLOCK TIME",
    allows="APERTURE_MOTOR ND_MOTOR ZOOM_MOTOR OIS IMU PDAF STATISTICS FLASH TRIGGER PLAN ROI RESERVE TEMPERATURE "
    "STACK SECURITY FIRMWARE VENDOR",
    also="APERTURE_MOTOR ZOOM_MOTOR OIS IMU STATISTICS ROI TEMPERATURE SECURITY FIRMWARE",
    records=(
        sensor(
            (5472, 3648),
            2400,
            "RGGB",
            "RAW12 RAW14",
            levels=(800, 15_800),
            gain=(100, 12_800),
            switch=640,
            exposure=(31_250, 30_000_000_000),
            readout=72_000,
        ),
        optics(
            (10_400, 37_100),
            (434, 1792),
            (0, 20_000),
            image_circle=16_200,
            pupils=((0, 24_000, 33_500), (20_000, 22_800, 33_900)),
        ),
        rings(("ZOOM_RING", 1024, 0, 0)),
        geometry(179, (62_500, 62_500, 55_500), centre=(0, -400, 23_800), axis=(0, 0, 11_200)),
        occlusion({1: octagon(31_250), 2: octagon(31_250)}),
        calibration("standalone", "SHADING DISTORTION CHROMATIC_ABERRATION OIS_MATRIX DEFECT_MAP"),
        power(
            "P2",
            2900,
            500,
            battery=8640,
            STANDBY=100,
            IDLE=310,
            PREVIEW=1500,
            VIDEO=2700,
            STILL=2800,
            MOTOR=1100,
            CHARGING=2500,
        ),
        thermal(1430, 720, (0, 400), SHELL=480, IMAGE_SENSOR=700, BATTERY=600),
        laser("G2 G3 G4"),
        time_class("T1", 2000),
        SECURITY,
    ),
)

PROFILES: Final = (
    FOUR_THIRDS,
    ULTRAWIDE_PRIME,
    MACRO_TUBE,
    VARIABLE_ND,
    LENS_ADAPTER,
    ZOOM_FLASH,
    STANDALONE,
)
