"""Scenarios of management: descriptor, stack, long requests, state, seat, vendor; and what the descriptor alone shows.

Plan: the descriptor · its records · the stack · state · cancelling · seat · vendor.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from opalink.conformance.preambles import ready
from opalink.conformance.probe import object_bytes
from opalink.conformance.scenarios import scenario
from opalink.conformance.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import DescriptorObject, Lane, MachineId, OperationTag
from opalink.spec.form import MS, Role

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
    "MGT/DESC_READ/TI-whole", "R-MGT-013", "R-WIRE-023",
    given="a module in READY", when="its descriptor is read at the greatest length",
    then="this takes at most tDescRead",
)  # fmt: skip
def descriptor_in_time(s: Session) -> None:
    ready(s)
    begun = s.now
    object_bytes(s, DescriptorObject.DESCRIPTOR)
    limit = s.catalogue.timer["tDescRead"].max or 0
    took = s.now - begun
    s.expect(took <= limit + s.monitor.slack, f"at most {limit} ns", f"{took} ns")


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
    record = s.known.record("CALIBRATION")
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


def _descriptor(s: Session) -> p.Descriptor:
    if s.known.descriptor is None:
        s.fail("a descriptor that can be read", "none")
    return s.known.descriptor


@scenario(
    "DSC/RECORDS/CA-order", "R-DSC-001",
    given="a module in READY", when="its descriptor is read", then="its records stand by strictly rising tag",
)  # fmt: skip
def records_rise(s: Session) -> None:
    tags = [int(t.tag) for t in _descriptor(s).records]
    s.expect(all(a < b for a, b in pairwise(tags)), "rising tags", f"{tags}")


@scenario(
    "DSC/PROFILE/CA-features", "R-DSC-003", "R-DSC-004",
    given="a module in READY", when="its descriptor names a profile",
    then="it has what the profile requires, and nothing that the profile does not name",
)  # fmt: skip
def profile_is_met(s: Session) -> None:
    record = s.known.record("FEATURES")
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
    record = s.known.record("VERSIONS")
    if record is None:
        s.fail("a record `versions`", "none")
    found = {getattr(v.protocol, "name", str(v.protocol)).lower() for v in record.protocols}
    names = {x.name.lower() for x in p.Protocol}
    wanted = {
        x.group
        for x in s.catalogue.packets
        if x.group in names and not x.optional and (not x.needs or set(x.needs) & s.known.features)
    }
    s.expect(found == wanted, f"{sorted(wanted)}", f"{sorted(found)}")


_PAIRS = {
    "SENSOR": (("gain_min", "gain_max"), ("exposure_min", "exposure_max")),
    "OPTICS": (("focal_min", "focal_max"), ("av_min", "av_max"), ("focus_far", "focus_near")),
    "ND": (("density_min", "density_max"),),
    "THERMAL": (("work_min", "work_max"),),
    "LINK": (("tx_min", "tx_max"), ("rx_min", "rx_max")),
}


def _described(s: Session) -> None:
    s.need(s.known.descriptor is not None, "Its descriptor could not be read.")


@scenario(
    "DSC/RECORDS/CA-ranges", "R-DSC-006",
    given="a module in READY", when="its descriptor is read", then="no least value exceeds the greatest beside it",
)  # fmt: skip
def ranges_are_ranges(s: Session) -> None:
    _described(s)
    for name, pairs in _PAIRS.items():
        record = s.known.record(name)
        for least, most in pairs if record else ():
            a, b = getattr(record, least), getattr(record, most)
            s.expect(a <= b, f"{least} at most {most}", f"{a} and {b}")


@scenario(
    "DSC/RECORDS/CA-once", "R-DSC-007",
    given="a module in READY", when="its descriptor is read", then="nothing is described twice",
)  # fmt: skip
def nothing_twice(s: Session) -> None:
    _described(s)
    lists: dict[str, tuple[str, str]] = {
        "VERSIONS": ("protocols", "protocol"),
        "RINGS": ("rings", "control"),
        "OCCLUSION": ("shadows", "slot"),
        "CALIBRATION": ("objects", "object"),
        "POWER": ("modes", "mode"),
        "THERMAL": ("sensors", "sensor"),
    }
    for name, (rows, key) in lists.items():
        record = s.known.record(name)
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
    _described(s)
    r = s.known.record("SENSOR")
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
    _described(s)
    r = s.known.record("OPTICS")
    if r is None:
        s.fail("a record `optics`", "none")
    focus = [x.focus for x in r.pupils]
    s.expect(focus == sorted(focus), f"{sorted(focus)}", f"{focus}")


@scenario(
    "DSC/GEOMETRY/CA-pose", "R-DSC-012",
    given="a module in READY", when="its descriptor is read", then="its rotation is one: a quaternion of length 1",
)  # fmt: skip
def pose_is_a_rotation(s: Session) -> None:
    _described(s)
    r = s.known.record("GEOMETRY")
    if r is not None:
        length = math.sqrt(sum(x * x for x in (r.pose_w, r.pose_i, r.pose_j, r.pose_k))) / 32767
        s.expect(abs(length - 1) <= 0.001, "length 1 within 0.001", f"{length:.4f}")


@scenario(
    "DSC/OCCLUSION/CA-outline", "R-DSC-013",
    given="a module in READY", when="its descriptor is read", then="the corners of each shadow run counterclockwise",
)  # fmt: skip
def shadows_run_counterclockwise(s: Session) -> None:
    _described(s)
    r = s.known.record("OCCLUSION")
    for shadow in r.shadows if r else ():
        points = shadow.outline
        around = zip(points, (*points[1:], points[0]), strict=True)
        area = sum(a.x * b.y - b.x * a.y for a, b in around)
        # Seen from behind the phone x runs right and y up, as in the descriptor.
        s.expect(area > 0, f"a positive area for slot {shadow.slot}", f"{area}")


# ── The stack ────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/STACK/BV-change", "R-MGT-017", "R-MGT-015", "R-PROP-005",
    given="a module in READY that sees a stack", when="an element is put on and taken off",
    then="it sends STACK_REPORT and DESC_CHANGED each time", needs="STACK", operations=("stack",),
)  # fmt: skip
def stack_changes_are_reported(s: Session) -> None:
    ready(s)
    before = hashlib.sha256(object_bytes(s, DescriptorObject.DESCRIPTOR)).digest()
    for elements in (1, 0):
        s.clear()
        s.operate(OperationTag.STACK, p.StackOperation(elements=elements))
        heard = s.take(p.StackReport, 200 * MS)
        if heard is None:
            s.fail("STACK_REPORT", "none within 200 ms", "R-MGT-017")
        s.expect(
            len(heard.body.elements) == elements, f"{elements} elements", f"{len(heard.body.elements)}", "R-MGT-017"
        )
        changed = s.take(p.DescChanged, 200 * MS)
        after = hashlib.sha256(object_bytes(s, DescriptorObject.DESCRIPTOR)).digest()
        s.expect(changed is not None or after == before, "DESC_CHANGED", "none", "R-MGT-015")
        before = after


# ── State ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/STATE_GET/CA-machines", "R-MGT-041", "R-MGT-042",
    given="a module in READY", when="its state is read",
    then="each of its machines is there once, in a state that the machine has",
)  # fmt: skip
def each_machine_once(s: Session) -> None:
    ready(s)
    body = s.asks(p.StateGet())
    found = [m.machine for m in body.machines]
    s.expect(len(found) == len(set(found)), "each machine once", f"{found}", "R-MGT-041")
    s.expect(MachineId.ATTACH in found, "the attach machine", f"{found}", "R-MGT-041")
    sizes = {m.name: len(m.states) for m in s.catalogue.machines if m.role is Role.MODULE}
    for m in body.machines:
        size = sizes.get(getattr(m.machine, "name", ""), 256)
        s.expect(m.state < size, f"a state below {size} of {m.machine!r}", f"{m.state}", "R-MGT-042")


@scenario(
    "MGT/STATE_GET/BV-entered", "R-MGT-043",
    given="a module in READY", when="its state is read three times, with time between",
    then="`entered` changes for no machine that stays in its state",
)  # fmt: skip
def entered_stays(s: Session) -> None:
    ready(s)
    last = s.states()
    for _ in range(3):
        s.let(30 * MS)
        now = s.states()
        for machine, (state, entered) in now.items():
            was = last.get(machine)
            same = was is None or was[0] != state or was[1] == entered
            s.expect(same, f"`entered` {was} of machine {machine}", f"{entered}")
        last = now


@scenario(
    "MGT/STATE_GET/BV-open", "R-MGT-044", "R-MGT-030", "R-MGT-032",
    given="a module in READY with a focus motor", when="a request takes long and the state is read meanwhile",
    then="the request is listed as open", needs="FOCUS_MOTOR",
)  # fmt: skip
def open_requests_are_listed(s: Session) -> None:
    ready(s)
    asked = s.request(_slow_move(s))
    body = s.asks(p.StateGet())
    open_now = [t.txn for t in body.open]
    if not asked.answers:
        s.expect(asked.txn in open_now, f"{asked.txn} among the open requests", f"{open_now}")
    s.answer(asked)
    body = s.asks(p.StateGet())
    s.expect(asked.txn not in [t.txn for t in body.open], "no open request", "the one that was answered")


def _slow_move(s: Session) -> p.FocusMove:
    """A focus move that takes a while: to the near end, slowly."""
    optics = s.known.record("OPTICS")
    near = optics.focus_near if optics else 1000
    return p.FocusMove(mode=p.FocusMode.DIOPTRE, target=near, speed=2000, settle=1)


# ── Cancelling ───────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/CANCEL/BV-late", "R-MGT-034",
    given="a module in READY", when="CANCEL names a transaction that is not open", then="it answers LATE",
)  # fmt: skip
def cancel_of_nothing(s: Session) -> None:
    ready(s)
    s.expect_status(s.ask(p.Cancel(txn=s.txn ^ 0x5555 or 1)), Status.LATE)


@scenario(
    "MGT/CANCEL/BV-cancelled", "R-MGT-033", "R-MGT-031",
    given="a module in READY with a focus motor", when="CANCEL names a move that is under way",
    then="it answers CANCEL with OK and the move with CANCELLED", needs="FOCUS_MOTOR",
)  # fmt: skip
def cancel_of_a_move(s: Session) -> None:
    ready(s)
    asked = s.request(_slow_move(s))
    s.let(5 * MS)
    if asked.answers:
        s.need(False, "The move was over before it could be cancelled.")
    heard = s.ask(p.Cancel(txn=asked.txn))
    s.expect_status(heard, Status.OK)
    moved = s.take(lambda h: h.asked is asked, 60 * MS)
    if moved is None:
        s.fail("an answer to the move", "none within 60 ms")
    s.expect_status(moved, Status.CANCELLED)


# ── Busy ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/READY/BV-after_busy", "R-MGT-035",
    given="a module in READY that answered BUSY", when="what made it busy ends", then="it sends READY",
    operations=("condition",),
)  # fmt: skip
def ready_after_busy(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.BUSY, present=1))
    heard = s.ask(p.DescRead(length=16))
    s.expect_status(heard, Status.BUSY)
    s.clear()
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.BUSY, present=0))
    s.expect(s.take(p.Ready, 100 * MS) is not None, "READY", "none within 100 ms")
    s.asks(p.DescRead(length=16))


# ── Seat ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/SEAT/BV-quality", "R-MGT-047",
    given="a module with a laser in READY that sits well", when="it is put on again, worse by 30 %",
    then="SEAT_STATUS says so", needs="LASER", operations=("attach",),
)  # fmt: skip
def a_worse_seat_is_reported(s: Session) -> None:
    ready(s)
    first = s.take(p.SeatStatus, 100 * MS)
    s.clear()
    s.operate(OperationTag.ATTACH, p.AttachOperation(quality=70))
    second = s.take(p.SeatStatus, 200 * MS)
    if first is None or second is None:
        s.fail("SEAT_STATUS before and after", "none")
    moved = abs(first.body.quality - second.body.quality)
    s.expect(moved >= 10, "a quality that differs by 10 or more", f"{moved}")


# ── Vendor ───────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/VENDOR/BI-unknown", "R-MGT-045",
    given="a module in READY with packets of its vendor", when="VENDOR comes with a vendor that nobody is",
    then="it answers NO_SUCH_ID", needs="VENDOR",
)  # fmt: skip
def vendor_of_nobody(s: Session) -> None:
    ready(s)
    heard = s.ask(p.Vendor(oui=0xFFFFFE, sub=0xFFFF, data=b"?"))
    s.expect_status(heard, Status.NO_SUCH_ID)
