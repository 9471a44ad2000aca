"""Who has a module's rings, and what its lens says: a phone follows, and lets the user win.

Plan: owners · the lens.
"""

from typing import Any

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import (
    ControlOwner,
    ControlOwnerResponse,
    FocusMove,
    FocusState,
    LensState,
    Owner,
    OwnerPolicy,
)


class Lens(PhonePart):
    """`owners` are who has each control; `focus` and `state` what the module last said."""

    def restart(self) -> None:
        self.owners: dict[int, Owner] = {}
        self.focus: FocusState | None = None
        self.state: LensState | None = None

    def session_closed(self) -> None:
        self.restart()

    # ── Owners ──

    def answer_control_owner(self, cause: Cause) -> ControlOwnerResponse:
        """The module asks on behalf of the hand on its ring: the user wins."""
        ask: ControlOwner = cause.body
        if not any(ring.control == ask.control for ring in self._rings()):
            raise RefusedError(Status.NO_SUCH_ID, 0)
        self.owners[ask.control] = Owner(ask.owner)
        return ControlOwnerResponse(owner=ask.owner, policy=OwnerPolicy(ask.policy), hold=ask.hold)

    def _rings(self) -> Any:
        controls = self.end.reader.records.get("controls")
        return controls.rings if controls else ()

    def own(self, control: int, owner: Owner, policy: OwnerPolicy, hold: int = 0) -> Any:
        """Say who is to have a control; the request, or None if none could be sent."""
        return self.end.send(ControlOwner(control=control, owner=owner, policy=policy, hold=hold))

    def told_control_owner(self, cause: Cause) -> None:
        if cause.arrived.status is Status.OK and cause.asked is not None:
            self.owners[cause.asked.body.control] = cause.body.owner

    # ── The lens ──

    def move(self, **target: Any) -> Any:
        """Have the focus moved; the fields are those of FOCUS_MOVE."""
        return self.end.send(FocusMove(**target))

    def heard_focus_state(self, cause: Cause) -> None:
        self.focus = cause.body

    def heard_lens_state(self, cause: Cause) -> None:
        self.state = cause.body
