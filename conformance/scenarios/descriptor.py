"""Scenarios of the descriptor: how it is read, and what it alone shows.

Plan: reading it · its records.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import ready
from opalink.conformance.tester.session import Session
from opalink.conformance.wiring.probe import object_bytes
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import DescriptorObject, Lane
from opalink.spec.form import MS

# ── The descriptor ───────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/DESC_READ/CA-hash", "R-MGT-008", "R-MGT-009",
    given="a module in READY", when="its descriptor is read",
    then="size and SHA-256 are those of its answer to HELLO",
)  # fmt: skip
def descriptor_hash(s: Session) -> None:
    ready(s)
    data = object_bytes(s, DescriptorObject.DESCRIPTOR)
    s.expect(len(data) == s.greeting.desc_size, f"{s.greeting.desc_size} bytes", f"{len(data)}", "R-MGT-009")
    found = hashlib.sha256(data).hexdigest()
    s.expect(found == s.greeting.desc_sha256.hex(), s.greeting.desc_sha256.hex(), found, "R-MGT-008")


@scenario(
    "MGT/DESC_READ/BV-lanes", "R-MGT-013",
    given="a module in READY", when="its descriptor is read in pieces of every size, on either lane",
    then="the bytes are the same",
)  # fmt: skip
def descriptor_in_pieces(s: Session) -> None:
    ready(s)
    whole = object_bytes(s, DescriptorObject.DESCRIPTOR)
    by_sideband = object_bytes(s, DescriptorObject.DESCRIPTOR, lane=Lane.SIDEBAND)
    s.expect(by_sideband == whole, f"the same {len(whole)} bytes", f"{len(by_sideband)} others")
    for length in (1, 7, 64, 1000):
        body = s.asks(p.DescRead(offset=3, length=length))
        wanted = whole[3 : 3 + length]
        s.expect(bytes(body.data) == wanted, f"{len(wanted)} bytes from offset 3", f"{len(body.data)} bytes")


@scenario(
    "MGT/DESC_READ/TI-whole", "R-MGT-049", "R-MGT-013",
    given="a module in READY", when="its descriptor is read at the greatest length",
    then="this takes at most tDescRead",
)  # fmt: skip
def descriptor_in_time(s: Session) -> None:
    ready(s)
    begun = s.now
    object_bytes(s, DescriptorObject.DESCRIPTOR)
    s.waited(s.now - begun, s.timer("tDescRead"), "the last of it")


@scenario(
    "MGT/DESC_READ/BV-end", "R-MGT-012",
    given="a module in READY", when="its descriptor is read from exactly the end", then="it gives no data",
)  # fmt: skip
def descriptor_from_the_end(s: Session) -> None:
    ready(s)
    body = s.asks(p.DescRead(offset=s.greeting.desc_size, length=16))
    s.expect(len(body.data) == 0, "no data", f"{len(body.data)} bytes")
    s.expect(body.total == s.greeting.desc_size, f"total {s.greeting.desc_size}", f"{body.total}", "R-MGT-009")


@scenario(
    "MGT/DESC_READ/BI-beyond", "R-MGT-011",
    given="a module in READY", when="its descriptor is read from beyond the end", then="it answers RANGE_LIMIT",
)  # fmt: skip
def descriptor_from_beyond(s: Session) -> None:
    ready(s)
    for offset in (s.greeting.desc_size + 1, 0xFFFF_FFFF):
        s.expect_status(s.ask(p.DescRead(offset=offset, length=16)), Status.RANGE_LIMIT)


@scenario(
    "MGT/DESC_READ/BI-no_object", "R-MGT-010",
    given="a module in READY", when="each object is read that `calibration` does not list",
    then="it answers NO_SUCH_ID, or reads its log",
)  # fmt: skip
def objects_that_are_not_there(s: Session) -> None:
    ready(s)
    listed = {o.object for o in _calibration(s)}
    for which in DescriptorObject:
        if which not in (DescriptorObject.DESCRIPTOR, DescriptorObject.LOG, *listed):
            s.expect_status(s.ask(p.DescRead(object=which, length=16)), Status.NO_SUCH_ID)


def _calibration(s: Session) -> tuple[p.CalibrationObject, ...]:
    record = s.record("CALIBRATION")
    return record.objects if record else ()


@scenario(
    "MGT/DESC_READ/CA-calibration", "R-DSC-014",
    given="a module in READY", when="each object that `calibration` lists is read",
    then="its size and SHA-256 are those listed", needs="SENSOR|LENS",
)  # fmt: skip
def calibration_objects(s: Session) -> None:
    ready(s)
    for listed in _calibration(s):
        data = object_bytes(s, listed.object)
        s.expect(len(data) == listed.size, f"{listed.size} bytes of {listed.object!r}", f"{len(data)}")
        found = hashlib.sha256(data).hexdigest()
        s.expect(found == listed.sha256.hex(), listed.sha256.hex(), found)


@scenario(
    "MGT/RESET/BV-calibration", "R-MGT-038",
    given="a module in READY", when="it is reset at every level that it accepts",
    then="its calibration is what it was", needs="SENSOR|LENS",
)  # fmt: skip
def resets_keep_calibration(s: Session) -> None:
    for level in p.ResetLevel:
        s.rebind()
        ready(s)
        if s.known.features & {"SECURITY"}:
            s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=10_000, granted=(1 << 64) - 1))
        heard = s.ask(p.Reset(level=level, reason=p.ResetReason.TEST))
        if heard.status != Status.OK:
            continue
        s.light = False
        s.let(300 * MS)
        s.rebind()
        ready(s)
        for listed in _calibration(s):
            found = hashlib.sha256(object_bytes(s, listed.object)).hexdigest()
            s.expect(found == listed.sha256.hex(), f"{listed.object!r} as before {level.name}", "other bytes")


# ── Its records ──────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "DSC/RECORDS/CA-order", "R-DSC-001",
    given="a module in READY", when="its descriptor is read", then="its records stand by strictly rising tag",
)  # fmt: skip
def records_rise(s: Session) -> None:
    s.need(s.known.descriptor is not None, "No descriptor could be read.")
    tags = [int(t.tag) for t in s.known.descriptor.records] if s.known.descriptor else []
    s.expect(all(a < b for a, b in pairwise(tags)), "rising tags", f"{tags}")


@scenario(
    "DSC/PROFILE/CA-features", "R-DSC-003", "R-DSC-004",
    given="a module in READY", when="its descriptor names a profile",
    then="it has what the profile requires, and nothing that the profile does not name",
)  # fmt: skip
def profile_is_met(s: Session) -> None:
    record = s.record("FEATURES")
    if record is None:
        s.fail("a record `features`", "none")
    name = bytes(record.profile).decode(errors="replace")
    if not name:
        return
    profile = s.catalogue.profile.get(name)
    if profile is None:
        s.fail("a profile of the specification", repr(name))
    lacking = set(profile.requires) - s.known.features
    s.expect(not lacking, "every feature that the profile requires", f"no {', '.join(sorted(lacking))}", "R-DSC-003")
    beyond = s.known.features - {*profile.requires, *profile.allows}
    s.expect(not beyond, "no feature beyond the profile", ", ".join(sorted(beyond)), "R-DSC-004")


@scenario(
    "DSC/VERSIONS/CA-protocols", "R-DSC-005",
    given="a module in READY", when="its descriptor is read",
    then="`versions` lists exactly the protocols of which it has a packet",
)  # fmt: skip
def versions_list_protocols(s: Session) -> None:
    record = s.record("VERSIONS")
    if record is None:
        s.fail("a record `versions`", "none")
    found = {getattr(v.protocol, "name", str(v.protocol)).lower() for v in record.protocols}
    names = {x.name.lower() for x in p.Protocol}
    having = [x for x in s.catalogue.packets if x.group in names and (not x.needs or set(x.needs) & s.known.features)]
    wanted = {x.group for x in having if not x.optional}
    fits = wanted <= found <= {x.group for x in having}  # what is optional it may have
    s.expect(fits, f"{sorted(wanted)}", f"{sorted(found)}")


_PAIRS = {
    "SENSOR": (("gain_min", "gain_max"), ("exposure_min", "exposure_max")),
    "OPTICS": (("focal_min", "focal_max"), ("av_min", "av_max"), ("focus_far", "focus_near")),
    "ND": (("density_min", "density_max"),),
    "THERMAL": (("work_min", "work_max"),),
    "LINK": (("tx_min", "tx_max"), ("rx_min", "rx_max")),
}


@scenario(
    "DSC/RECORDS/CA-ranges", "R-DSC-006",
    given="a module in READY", when="its descriptor is read", then="no least value exceeds the greatest beside it",
)  # fmt: skip
def ranges_are_ranges(s: Session) -> None:
    for name, pairs in _PAIRS.items():
        record = s.record(name)
        for least, most in pairs if record else ():
            a, b = getattr(record, least), getattr(record, most)
            s.expect(a <= b, f"{least} at most {most}", f"{a} and {b}")


@scenario(
    "DSC/RECORDS/CA-once", "R-DSC-007",
    given="a module in READY", when="its descriptor is read", then="nothing is described twice",
)  # fmt: skip
def nothing_twice(s: Session) -> None:
    lists: dict[str, tuple[str, str]] = {
        "VERSIONS": ("protocols", "protocol"),
        "RINGS": ("rings", "control"),
        "OCCLUSION": ("shadows", "slot"),
        "CALIBRATION": ("objects", "object"),
        "POWER": ("modes", "mode"),
        "THERMAL": ("sensors", "sensor"),
    }
    for name, (rows, key) in lists.items():
        record = s.record(name)
        twice = _twice(getattr(row, key) for row in getattr(record, rows)) if record else []
        s.expect(not twice, f"each {key} of {rows} once", f"{twice} twice")


def _twice(values: Iterable[int]) -> list[int]:
    return [v for v, n in Counter(values).items() if n > 1]


@scenario(
    "DSC/SENSOR/CA-numbers", "R-DSC-008", "R-DSC-009", "R-DSC-010",
    given="a module with a sensor in READY", when="its descriptor is read",
    then="area, levels and bit depths of the sensor agree with each other", needs="SENSOR",
)  # fmt: skip
def sensor_numbers(s: Session) -> None:
    r = s.record("SENSOR")
    if r is None:
        s.fail("a record `sensor`", "none")
    for pixels, length in ((r.array_width, r.active_width), (r.array_height, r.active_height)):
        derived = pixels * r.pitch / 1000
        s.expect(abs(length - derived) <= derived / 100, f"{derived:.0f} um within 1 %", f"{length} um", "R-DSC-008")
    s.expect(r.white_level > r.black_level, f"above {r.black_level}", f"{r.white_level}", "R-DSC-009")
    s.expect(r.depths != 0, "a bit depth", "none", "R-DSC-010")


@scenario(
    "DSC/OPTICS/CA-pupils", "R-DSC-011",
    given="a module with a lens in READY", when="its descriptor is read",
    then="its pupils stand from the farthest focus to the nearest", needs="LENS",
)  # fmt: skip
def pupils_in_order(s: Session) -> None:
    r = s.record("OPTICS")
    if r is None:
        s.fail("a record `optics`", "none")
    focus = [x.focus for x in r.pupils]
    s.expect(focus == sorted(focus), f"{sorted(focus)}", f"{focus}")


@scenario(
    "DSC/GEOMETRY/CA-pose", "R-DSC-012",
    given="a module in READY", when="its descriptor is read", then="its rotation is one: a quaternion of length 1",
)  # fmt: skip
def pose_is_a_rotation(s: Session) -> None:
    r = s.record("GEOMETRY")
    if r is not None:
        length = math.sqrt(sum(x * x for x in (r.pose_w, r.pose_i, r.pose_j, r.pose_k))) / 32767
        s.expect(abs(length - 1) <= 0.001, "length 1 within 0.001", f"{length:.4f}")


@scenario(
    "DSC/OCCLUSION/CA-outline", "R-DSC-013",
    given="a module in READY", when="its descriptor is read", then="the corners of each shadow run counterclockwise",
)  # fmt: skip
def shadows_run_counterclockwise(s: Session) -> None:
    r = s.record("OCCLUSION")
    for shadow in r.shadows if r else ():
        points = shadow.outline
        around = zip(points, (*points[1:], points[0]), strict=True)
        area = sum(a.x * b.y - b.x * a.y for a, b in around)
        # Seen from behind the phone x runs right and y up, as in the descriptor.
        s.expect(area > 0, f"a positive area for slot {shadow.slot}", f"{area}")
