"""Properties: reading, setting, describing and reporting them.

Plan: values · description and reading · setting · changes.
"""

from collections.abc import Iterable
from typing import Any, Final

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.dispatch import RefusedError, Reply
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.property_table import table
from opalink.protocol.engine.module.stack import Stack
from opalink.protocol.packets import (
    ApplyAt,
    BatteryCondition,
    ChangeCause,
    PropChanged,
    PropDescResponse,
    PropertyAccess,
    PropertyDesc,
    PropertyTag,
    PropGetResponse,
    PropSetResponse,
    SettingResult,
)

_ALWAYS: Final = 255  # results that a response can list
_DESCRIBED: Final = 64  # rows that one can
_LATER: Final = 32  # groups that can wait
_DESC_HEAD: Final = 1
_DESC_ROW: Final = 42  # bytes, without members and label
_LOW: Final = 100  # 0.1 % of charge
_BATTERY_STEP: Final = 10  # R-PROP-004
_STORE_KIB: Final = 8 << 20
_POSITIONS: Final = frozenset(
    {PropertyTag.FOCUS_POSITION, PropertyTag.APERTURE, PropertyTag.NEUTRAL_DENSITY, PropertyTag.FOCAL_LENGTH}
)

Settings = list[tuple[int, int]]


class Properties(ModulePart):
    """`values` are in wire units, by tag."""

    needs = (
        "SENSOR", "LENS", "FOCUS_MOTOR", "APERTURE_MOTOR", "ND_MOTOR", "ZOOM_MOTOR", "CONTROLS", "OIS", "IMU", "FLASH",
        "TEMPERATURE", "STACK", "TIME", "WALL_CLOCK", "STORAGE", "BATTERY",
    )  # fmt: skip

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.table = table(end.catalogue, end.identity)
        self.wall_clock = 0  # less the time of the bench; it outlives a restart

    def restart(self) -> None:
        self.values = {tag: p.range.initial for tag, p in self.table.items()}
        self.later: dict[int, Settings] = {}  # by the frame with which they take effect
        self._reported_level = self.around.battery
        self._reported_state = self._battery_state()
        self._groups = 0
        self._timed: list[tuple[str, int]] = []

    def session_closed(self) -> None:
        """Settings are the session's; where a motor stands is not."""
        self.later.clear()
        self.end.clock.stop_all("properties")
        for tag, p in self.table.items():
            if tag not in _POSITIONS:
                self.values[tag] = p.range.initial

    # ── Values ──

    def read(self, tag: int) -> int:
        """The value that a property has now."""
        match tag:
            case PropertyTag.TEMPERATURE:
                heat = self.end.find(Heat)
                return heat.hottest if heat else 0
            case PropertyTag.STACK_GENERATION:
                stack = self.end.find(Stack)
                return stack.generation if stack else 0
            case PropertyTag.TIME_CLASS:
                return int(self.end.time_class)
            case PropertyTag.WALL_CLOCK:
                return self.end.now + self.wall_clock
            case PropertyTag.BATTERY_LEVEL:
                return self.around.battery
            case PropertyTag.BATTERY_STATE:
                return self._battery_state()
            case PropertyTag.FLASH_CHARGE:
                return 100
            case PropertyTag.STORE_FREE:
                return _STORE_KIB
        return self.values[tag]

    def _battery_state(self) -> BatteryCondition:
        if self.around.battery < _LOW:
            return BatteryCondition.LOW
        if self.around.contacts:
            return BatteryCondition.FULL if self.around.battery == 1000 else BatteryCondition.CHARGING
        return BatteryCondition.DISCHARGING

    def tlvs(self, tags: Iterable[int]) -> tuple[Tlv, ...]:
        """Values of properties that the module has."""
        return tuple(Tlv(tag, self.read(tag)) for tag in tags if tag in self.table)

    # ── Description and reading ──

    def answer_prop_desc(self, cause: Cause) -> PropDescResponse:
        room = self.end.room("PROP_DESC", cause) - _DESC_HEAD
        out: list[PropertyDesc] = []
        for tag, p in self.table.items():
            if tag < cause.body.first:
                continue
            described = p.describe()
            room -= _DESC_ROW + 8 * len(described.members) + len(described.label)
            if room < 0 or len(out) == min(cause.body.max, _DESCRIBED):
                break
            out.append(described)
        return PropDescResponse(tuple(out))

    def answer_prop_get(self, cause: Cause) -> PropGetResponse:
        room = self.end.room("PROP_GET", cause)
        for i, wanted in enumerate(cause.body.wanted):
            p = self.table.get(wanted.id)
            if p is None or p.access is PropertyAccess.WRITE:
                raise RefusedError(Status.NO_SUCH_ID, 1 + 2 * i)
            room -= 4 + p.number.size
        if room < 0:
            raise RefusedError(Status.TOO_LARGE)
        return PropGetResponse(self.tlvs(w.id for w in cause.body.wanted))

    # ── Setting ──

    def judge(self, tag: int, value: Any) -> tuple[Status, int]:
        """Whether a setting can be made: OK or ADJUSTED, with what comes of it, or why not."""
        p = self.table.get(tag)
        if p is None or isinstance(value, bytes):
            return Status.NO_SUCH_ID, 0
        if p.access is PropertyAccess.READ:
            return Status.READ_ONLY, 0
        return p.range.judge(int(value))

    def answer_prop_set(self, cause: Cause) -> Reply:
        ask = cause.body
        if len(ask.settings) > _ALWAYS:
            raise RefusedError(Status.NO_MEMORY)
        self._check_moment(ask)
        if ask.apply is not ApplyAt.NOW and len(self._waiting()) >= _LATER:
            raise RefusedError(Status.NO_MEMORY)
        judged = [(tlv.tag, *self.judge(tlv.tag, tlv.value)) for tlv in ask.settings]
        possible = [(tag, value) for tag, status, value in judged if status in (Status.OK, Status.ADJUSTED)]
        if ask.group:
            for tag, status, _ in judged:
                if status not in (Status.OK, Status.ADJUSTED) and tag in PropertyTag._value2member_map_:
                    raise RefusedError(status)
        self._apply(ask, possible)
        adjusted = any(status is Status.ADJUSTED for _, status, _ in judged)
        results = tuple(SettingResult(tag, status) for tag, status, _ in judged)
        return Reply(PropSetResponse(results), Status.ADJUSTED if adjusted else Status.OK)

    def _waiting(self) -> list[object]:
        """Groups of settings that wait for their moment."""
        return [*self.later, *(key for key in self._timed if self.end.clock.running(key))]

    def _check_moment(self, ask: Any) -> None:
        if ask.apply is ApplyAt.TIME:
            if not self.end.time_known:
                raise RefusedError(Status.NO_TIME, 1)
            if ask.at <= self.end.link_time:
                raise RefusedError(Status.LATE, 1)
        if ask.apply is ApplyAt.FRAME:
            if not self.end.has("SENSOR"):
                raise RefusedError(Status.NO_SUCH_ID, 1)
            if ask.at <= self.end.last_frame:
                raise RefusedError(Status.LATE, 1)

    def _apply(self, ask: Any, settings: Settings) -> None:
        if ask.apply is ApplyAt.FRAME:
            self.later.setdefault(ask.at, []).extend(settings)
        elif ask.apply is ApplyAt.TIME:
            self._groups += 1
            key = "properties", self._groups
            self._timed = [k for k in self._timed if self.end.clock.running(k)] + [key]
            self.end.clock.start(key, ask.at - self.end.link_time, lambda: self.put(settings))
        else:
            self.put(settings)

    def put(self, settings: Settings) -> None:
        """Let properties have these values."""
        for tag, value in settings:
            if tag == PropertyTag.WALL_CLOCK:
                self.wall_clock = value - self.end.now
            self.values[tag] = value
            self.end.property_set(tag)

    def frame_begins(self, number: int) -> None:
        """Settings for this frame take effect."""
        for due in [n for n in self.later if n <= number]:
            self.put(self.later.pop(due))

    # ── Changes ──

    def changed(self, why: ChangeCause, *tags: int) -> None:
        """Report properties that changed without being set."""
        values = self.tlvs(tags)
        if values:
            self.end.send(PropChanged(cause=why, properties=values))

    def battery_moved(self) -> None:
        """The battery has another level."""
        tags = []
        if abs(self.around.battery - self._reported_level) >= _BATTERY_STEP:
            self._reported_level = self.around.battery
            tags.append(PropertyTag.BATTERY_LEVEL)
        if self._battery_state() is not self._reported_state:
            self._reported_state = self._battery_state()
            tags.append(PropertyTag.BATTERY_STATE)
        self.changed(ChangeCause.DEVICE, *tags)
