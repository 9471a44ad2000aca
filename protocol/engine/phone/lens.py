"""Focus and rings, as a phone has them moved and follows them: the words of its focus machine.

Plan: what is asked for · owners · the words · the lens.
"""

from typing import Any

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.phone.reader import Reader
from opalink.protocol.packets import (
    ControlId,
    ControlOwner,
    ControlOwnerResponse,
    FocusActivity,
    FocusMove,
    FocusMoveResponse,
    FocusState,
    LensState,
    Owner,
    OwnerPolicy,
)


class Lens(PhonePart):
    """`owners` are who has each control; `focus` and `state` what the module last said; `reached` what the last
    FOCUS_MOVE was answered."""

    machine = "FOCUS"

    def restart(self) -> None:
        self.owners: dict[int, Owner] = {}
        self.policy = OwnerPolicy.RING_WINS
        self.focus: FocusState | None = None
        self.state: LensState | None = None
        self.reached: FocusMoveResponse | None = None
        self._move = FocusMove()
        self._owner = ControlOwner()

    def session_closed(self) -> None:
        self.restart()

    # ── What is asked for ──

    def move(self, **target: Any) -> None:
        """Have the focus moved; the fields are those of FOCUS_MOVE."""
        self._move, self.reached = FocusMove(**target), None
        self.end.signal("want_focus")
        self.end.settle()

    def own(self, control: ControlId, owner: Owner, policy: OwnerPolicy, hold: int = 0) -> None:
        """Say who is to have a control's motor, and who wins from then on; `hold` in ms."""
        self._owner = ControlOwner(control=control, owner=owner, policy=policy, hold=hold)
        self.end.signal("want_owner")
        self.end.settle()

    # ── Owners ──

    def answer_control_owner(self, cause: Cause) -> ControlOwnerResponse:
        """The module asks on behalf of the hand on its ring: the user wins."""
        ask: ControlOwner = cause.body
        found = self.end.part(Reader).records.get("rings")
        if not any(ring.control == ask.control for ring in (found.rings if found else ())):
            raise RefusedError(Status.NO_SUCH_ID, 0)
        self.owners[ask.control] = Owner(ask.owner)
        return ControlOwnerResponse(owner=ask.owner, policy=ask.policy, hold=ask.hold)

    # ── The words ──

    def _says(self, cause: Cause, state: FocusActivity) -> bool:
        return bool(cause.body.state == state)

    def when_says_idle(self, cause: Cause) -> bool:
        return self._says(cause, FocusActivity.IDLE)

    def when_says_moving(self, cause: Cause) -> bool:
        return self._says(cause, FocusActivity.MOVING)

    def when_says_settled(self, cause: Cause) -> bool:
        return self._says(cause, FocusActivity.SETTLED)

    def when_says_ring_override(self, cause: Cause) -> bool:
        return self._says(cause, FocusActivity.RING_OVERRIDE)

    def when_says_limit(self, cause: Cause) -> bool:
        return self._says(cause, FocusActivity.LIMIT)

    def when_says_fault(self, cause: Cause) -> bool:
        return self._says(cause, FocusActivity.FAULT)

    def when_ring_wins(self, _: Cause) -> bool:
        return self.policy is OwnerPolicy.RING_WINS

    def when_last_wins(self, _: Cause) -> bool:
        return self.policy is OwnerPolicy.LAST_WINS

    def when_phone_locks(self, _: Cause) -> bool:
        return self.policy is OwnerPolicy.PHONE_LOCKS

    def when_was_owned(self, cause: Cause) -> bool:
        return cause.arrived.status is Status.RING_OWNED

    def when_was_blocked(self, cause: Cause) -> bool:
        return cause.arrived.status is Status.MOTOR_BLOCKED

    def fill_focus_move(self, _: Cause) -> FocusMove:
        return self._move

    def fill_control_owner(self, _: Cause) -> ControlOwner:
        return self._owner

    def do_keep_focus(self, cause: Cause) -> None:
        self.focus = cause.body

    def do_keep_owner(self, cause: Cause) -> None:
        self.owners[self._owner.control] = Owner(cause.body.owner)
        if self._owner.control == ControlId.FOCUS_RING:
            self.policy = OwnerPolicy(cause.body.policy)

    def do_focus_done(self, cause: Cause) -> None:
        self.reached = cause.body

    def do_focus_failed(self, cause: Cause) -> None:
        why = Status(cause.arrived.status).name if cause.packet else "the ring has it"
        self.end.complain(f"The focus was not moved: {why}.")

    # ── The lens ──

    def heard_lens_state(self, cause: Cause) -> None:
        self.state = cause.body
