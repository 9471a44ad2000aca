"""What a phone concludes of a module, and what it allows it: the words of the phone's authentication machine.

    phone = Phone()
    phone.trust.anchors = Anchors(roots=(root,), now=datetime.now(UTC))

Without anchors no module is asked for proof, and the level of all is UNKNOWN.

Plan: what is known · guards · effects · what it sends.
"""

from typing import TYPE_CHECKING, Any, Final

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import Feature, Spdm, TrustLevel, TrustPolicy
from opalink.spec.form import US, Local

if TYPE_CHECKING:
    from opalink.protocol.spdm import Anchors, Ask, Outcome, Requester

_SESSION_OPEN: Final = Local("session_open")
_WAIT: Final = ("trust", "wait")
_NONCE: Final = 32  # bytes
_KEPT: Final = 16  # certificate chains
_CAP: Final = 5_000  # mW without any policy: class P3, the highest that needs no proof


class Trust(PhonePart):
    """`level` is what the phone knows of the module, `outcome` what came of the last authentication, `max_power` in
    mW what follows. `anchors` are the user's, and stay."""

    machine = "AUTH"

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.anchors: Anchors | None = None
        self._known: list[bytes] = []

    def restart(self) -> None:
        self.level = TrustLevel.UNKNOWN
        self.max_power = _CAP
        self._granted: int | None = None
        self.outcome: Outcome | None = None
        self._requester: Requester | None = None
        self._ask: Ask | None = None

    def session_closed(self) -> None:
        self.end.clock.stop(_WAIT)
        self.restart()

    @property
    def genuine(self) -> bool:
        return self.level in (TrustLevel.GENUINE, TrustLevel.MEASURED)

    def grants(self, feature: str) -> bool:
        """Whether the module may use a feature: each, until TRUST_POLICY has withheld it."""
        return self._granted is None or bool(self._granted & Feature[feature])

    # ── Guards ──

    def when_offers_spdm(self, _: Cause) -> bool:
        return self.end.module_has("SECURITY")

    def when_can_judge(self, _: Cause) -> bool:
        return self.anchors is not None and bool(self.anchors.roots)

    def told_spdm(self, cause: Cause) -> None:
        """The message is judged before the machine asks what to think of it."""
        message = getattr(cause.body, "message", b"")
        if self._requester is None or self.outcome is not None or not message or self.end.clock.running(_WAIT):
            return
        self._ask = self._requester.receive(bytes(message))
        self.outcome = self._requester.outcome
        if self.outcome is not None and self.outcome.chain and self.outcome.chain not in self._known:
            self._known = [*self._known[1 - _KEPT :], self.outcome.chain]

    def when_put_off(self, _: Cause) -> bool:
        return self._ask is not None and self._ask.wait > 0

    def when_proof_bad(self, _: Cause) -> bool:
        return self._found(TrustLevel.REJECTED)

    def when_proof_measured(self, _: Cause) -> bool:
        return self._found(TrustLevel.MEASURED)

    def when_proof_genuine(self, _: Cause) -> bool:
        return self._found(TrustLevel.GENUINE)

    def _found(self, level: TrustLevel) -> bool:
        return self.outcome is not None and self.outcome.level is level

    # ── Effects ──

    def do_await_wait(self, _: Cause) -> None:
        wait = self._ask.wait * US if self._ask else 0
        self.end.clock.start(_WAIT, wait, lambda: self.end.signal("wait_over"))

    # ── What it sends ──

    def fill_spdm(self, cause: Cause) -> Spdm:
        if cause.row is not None and cause.row.event == _SESSION_OPEN:
            self._begin()
        return Spdm(message=self._ask.message if self._ask else b"")

    def _begin(self) -> None:
        """An authentication from its first message on; what was known before counts for nothing."""
        from opalink.protocol.spdm import Expected, Requester, session_digest

        self.end.clock.stop(_WAIT)
        self.restart()
        anchors, random = self.anchors, self.end.random
        if anchors is None:
            raise RuntimeError("a phone without anchors asks for no proof")
        self._requester = Requester(
            anchors.roots,
            anchors.now,
            lambda: random.randbytes(_NONCE),  # a simulated phone's, so that a run can be repeated
            Expected(session_digest(*self.end.part(Contact).opening), anchors.references),
            known=self._known,
        )
        self._ask = self._requester.start()

    def fill_trust_policy(self, _: Cause) -> TrustPolicy:
        from opalink.protocol.spdm import policy

        greeting = self.end.part(Contact).greeting
        state = self.run.state
        self.level = TrustLevel[state] if state in TrustLevel.__members__ else TrustLevel.UNKNOWN
        told = policy(self.level, greeting.features if greeting else 0, available=self.end.supply_total)
        self.max_power, self._granted = told.max_power, told.granted
        return told
