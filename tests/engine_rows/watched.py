"""A phone whose module notes every row that fires, and the list of scenarios.

Plan: the phone · the list.
"""

from collections.abc import Callable
from typing import Any

from opalink.protocol.codec import Status
from opalink.protocol.packets import (
    DetachOperation,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    OperationTag,
)
from opalink.spec.form import Row
from tests.engine_phone import Phone

# ── The phone ───────────────────────────────────────────────────────────────────────────────────────

Fired = set[tuple[str, Row]]


class Watched(Phone):
    """A phone whose module notes every row that fires."""

    def __init__(self, fired: Fired, profile: str = "four-thirds") -> None:
        super().__init__(profile)
        for run in self.module.runs.values():
            run.on_row = lambda run, row, _: fired.add((run.name, row))

    def lane(self, down: bool, ms: float = 1) -> None:
        lane = Lane.LASER
        if down:
            self.operate(OperationTag.LANE_DOWN, LaneDownOperation(lane))
        else:
            self.operate(OperationTag.LANE_UP, LaneUpOperation(lane))
        self.run(ms)

    def detach(self) -> None:
        self.operate(OperationTag.DETACH, DetachOperation())

    def side(self, body: Any, **more: Any) -> Status | int:
        return self.status(body, Lane.SIDEBAND, **more)


Scenario = Callable[[Callable[..., Watched]], None]
SCENARIOS: list[Scenario] = []


def scenario(f: Scenario) -> Scenario:
    SCENARIOS.append(f)
    return f
