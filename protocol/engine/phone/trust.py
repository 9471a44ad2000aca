"""What a phone concludes of a module, and what it allows it: the words of the phone's authentication machine.

Plan: who proves · the words.
"""

from collections.abc import Callable
from typing import Final, Protocol

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import Feature, Spdm, TrustLevel, TrustPolicy

_CAPS: Final = {TrustLevel.GENUINE: 10_000, TrustLevel.MEASURED: 10_000}  # mW
_CAP: Final = 5000  # mW without proof: class P3
_EVERYTHING: Final = (1 << 64) - 1


class Prover(Protocol):
    """The requester's side of an authentication. `conclusion` is None as long as it goes on."""

    conclusion: TrustLevel | None

    def first(self) -> bytes:
        """The first message."""

    def next(self, answer: bytes) -> bytes:
        """The message after an answer; empty once there is a conclusion."""


class Trust(PhonePart):
    """`level` is what the phone knows of the module. `prover` makes a prover for a session; None: nothing is asked."""

    machine = "AUTH"
    prover: Callable[[], Prover] | None = None

    def restart(self) -> None:
        self.level = TrustLevel.UNKNOWN
        self._proof: Prover | None = None
        self._message = b""

    def session_closed(self) -> None:
        self.restart()

    @property
    def genuine(self) -> bool:
        return self.level in (TrustLevel.GENUINE, TrustLevel.MEASURED)

    # ── The words ──

    def when_offers_spdm(self, _: Cause) -> bool:
        """A phone that could not judge a proof asks for none."""
        if self.prover is None or not self.end.module_has("SECURITY"):
            return False
        self._proof = self.prover()
        self._message = self._proof.first()
        return True

    def told_spdm(self, cause: Cause) -> None:
        message = getattr(cause.body, "message", b"")
        if self._proof is not None and message and self._proof.conclusion is None:
            self._message = self._proof.next(bytes(message))

    def when_proof_bad(self, _: Cause) -> bool:
        return self._concluded(TrustLevel.REJECTED)

    def when_proof_measured(self, _: Cause) -> bool:
        return self._concluded(TrustLevel.MEASURED)

    def when_proof_genuine(self, _: Cause) -> bool:
        return self._concluded(TrustLevel.GENUINE)

    def _concluded(self, level: TrustLevel) -> bool:
        return self._proof is not None and self._proof.conclusion is level

    def fill_spdm(self, _: Cause) -> Spdm:
        return Spdm(message=self._message)

    def fill_trust_policy(self, _: Cause) -> TrustPolicy:
        found = self._proof.conclusion if self._proof else None
        self.level = found or TrustLevel.UNKNOWN
        granted = Feature(0) if self.level is TrustLevel.REJECTED else _EVERYTHING
        return TrustPolicy(level=self.level, max_power=_CAPS.get(self.level, _CAP), granted=granted)
