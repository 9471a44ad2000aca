"""Authentication as a module answers it: the words of its authentication machine, and what it shows by SPDM.

Whoever needs no proof never loads the library that makes it.

Plan: what the phone has concluded · guards · effects · SPDM.
"""

from typing import TYPE_CHECKING, Final

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.session import Session
from opalink.protocol.packets import SpdmResponse, TrustLevel
from opalink.spec.form import SECOND

if TYPE_CHECKING:
    from opalink.protocol.spdm import Measurement, Responder

_PLAIN: Final = range(0x10, 0x20)  # SPDM 1.x
_GET_CERTIFICATE, _CHALLENGE, _GET_VERSION, _NEGOTIATE_ALGORITHMS = 0x82, 0x83, 0x84, 0xE3
_EXPIRES: Final = ("security", "expires")
_NONCE: Final = 32  # bytes

# Measurements by index, beside that of the session (R-SEC-004).
FIRMWARE: Final = 1  # SHA-256 of the image that runs
VERSION: Final = 2  # its version, as in FW_QUERY
DESCRIPTOR: Final = 3  # SHA-256 of the descriptor


class Security(ModulePart):
    """`level` is what the phone has said that it knows, `max_power` what it allows, in mW; None until it has."""

    machine = "AUTH"

    def restart(self) -> None:
        self.level = TrustLevel.UNKNOWN
        self.max_power: int | None = None
        self._responder: Responder | None = None

    # ── Guards ──

    def when_plain_spdm(self, cause: Cause) -> bool:
        return cause.body.message[0] in _PLAIN

    def _asks(self, cause: Cause, code: int) -> bool:
        return bool(cause.body.message[1] == code)

    def when_asks_version(self, cause: Cause) -> bool:
        return self._asks(cause, _GET_VERSION)

    def when_asks_algorithms(self, cause: Cause) -> bool:
        return self._asks(cause, _NEGOTIATE_ALGORITHMS)

    def when_asks_certificate(self, cause: Cause) -> bool:
        return self._asks(cause, _GET_CERTIFICATE)

    def when_asks_challenge(self, cause: Cause) -> bool:
        return self._asks(cause, _CHALLENGE)

    def when_level_genuine(self, cause: Cause) -> bool:
        return cause.body.level is TrustLevel.GENUINE

    def when_level_measured(self, cause: Cause) -> bool:
        return cause.body.level is TrustLevel.MEASURED

    def when_level_rejected(self, cause: Cause) -> bool:
        return cause.body.level is TrustLevel.REJECTED

    # ── Effects ──

    def do_apply_trust(self, cause: Cause) -> None:
        told = cause.body
        self.level, self.max_power = told.level, told.max_power
        self.end.clock.stop(_EXPIRES)
        if told.expires:
            self.end.clock.start(_EXPIRES, told.expires * SECOND, self._expired)

    def _expired(self) -> None:
        self.end.signal("trust_expired")

    def do_forget_trust(self, _: Cause) -> None:
        """Nothing is known of the module, and SPDM begins anew."""
        self.level, self.max_power = TrustLevel.UNKNOWN, None
        self.end.clock.stop(_EXPIRES)
        if self._responder is not None:
            self._responder.forget()

    # ── SPDM ──

    def answer_spdm(self, cause: Cause) -> SpdmResponse:
        """At once, so that tAuth is the phone's alone to spend."""
        if self._responder is None:
            self._responder = self._begin()
        return SpdmResponse(message=self._responder.respond(bytes(cause.body.message)))

    def _begin(self) -> "Responder":
        from opalink.protocol.spdm import Identity, Responder
        from opalink.protocol.spdm.reference import credentials

        nonce = self.end.random.randbytes  # not for anything but a run that is to be repeated
        return Responder(Identity(credentials(self.end.identity.profile), self._measure, lambda: nonce(_NONCE)))

    def _measure(self) -> "dict[int, Measurement]":
        from opalink.protocol.spdm import SESSION_INDEX, Measurement, ValueType, session_digest

        version, digest = self.end.image
        return {
            FIRMWARE: Measurement(digest, ValueType.MUTABLE_FIRMWARE, tcb=True),
            VERSION: Measurement(version.to_bytes(8, "big"), ValueType.VERSION, raw=True),
            DESCRIPTOR: Measurement(self.end.identity.sha256, ValueType.HARDWARE_CONFIGURATION),
            SESSION_INDEX: Measurement(
                session_digest(*self.end.part(Session).opening), ValueType.FIRMWARE_CONFIGURATION
            ),
        }
