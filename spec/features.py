"""Features: what a module can have. A packet is mandatory given its feature; a profile is a set of them."""

from typing import Final

from opalink.spec.dialect import flags

FEATURES: Final = flags(
    "Feature",
    "What a module has. The response to HELLO carries them as bits.",
    LASER=(0, "A laser data link; without it the module answers on the sideband alone."),
    SENSOR=(1, "An image sensor."),
    VIDEO=(2, "Continuous streams."),
    BUFFER=(3, "Frame memory: blocks can be asked for again."),
    STORAGE=(4, "Stills kept while detached."),
    LENS=(5, "A lens whose state can be read."),
    FOCUS_MOTOR=(6, "Focus can be driven."),
    APERTURE_MOTOR=(7, "The aperture can be driven."),
    ND_MOTOR=(8, "A neutral density filter can be driven."),
    ZOOM_MOTOR=(9, "Zoom can be driven."),
    CONTROLS=(10, "Rings or buttons for the user."),
    OIS=(11, "Optical stabilisation."),
    IMU=(12, "An inertial measurement unit."),
    PDAF=(13, "Phase-detection data."),
    STATISTICS=(14, "Statistics of frames."),
    FLASH=(15, "A flash."),
    TIME=(16, "Synchronised time."),
    TRIGGER=(17, "Scheduled triggers."),
    PLAN=(18, "Bracketing plans."),
    ROI=(19, "Regions of interest."),
    CONTRACT=(20, "Draws more than boot power, by contract."),
    RESERVE=(21, "Asks for peak power ahead of time."),
    BATTERY=(22, "A battery of its own."),
    ROLE_SWAP=(23, "Can supply the phone."),
    SECURITY=(24, "SPDM authentication."),
    FIRMWARE=(25, "Firmware can be updated over the link."),
    STACK=(26, "Sees passive elements stacked upon it, and lists them in STACK_REPORT."),
    WALL_CLOCK=(27, "Knows the time of day."),
    VENDOR=(28, "Understands packets of its vendor."),
    TEMPERATURE=(29, "Temperature sensors."),
)
