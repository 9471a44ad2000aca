"""What trust rests on and what follows from it: the anchors, the session's measurement, the policy that a phone sends.

Plan: anchors · the session's measurement · the policy.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509
from msgspec import Struct

from opalink.protocol.codec import encode_layout
from opalink.protocol.packets import (
    Beacon,
    Feature,
    Hello,
    HelloResponse,
    LinkParams,
    LinkParamsResponse,
    TrustLevel,
    TrustPolicy,
)
from opalink.protocol.spdm.chain import Moment

# ── Anchors ──────────────────────────────────────────────────────────────────────────────────────────


class Anchors(Struct, frozen=True):
    """Whom a phone trusts: the roots to which a chain must lead, the time at which it must be valid, and what makers
    have released: measurements by index, one or any of a set. Without these a module is GENUINE at best."""

    roots: tuple[x509.Certificate, ...]
    now: Moment
    references: Mapping[int, bytes | frozenset[bytes]] = {}


# ── The session's measurement ────────────────────────────────────────────────────────────────────────

SESSION_INDEX: Final = 0xE0  # R-SEC-004


def session_digest(
    phone: Beacon | None,
    module: Beacon | None,
    params: tuple[LinkParams, LinkParamsResponse] | None,
    hello: tuple[Hello, HelloResponse] | None,
) -> bytes:
    """SHA-256 of the payloads with which a session began, without those that there were not (R-SEC-004): the BEACON of
    either side, the LINK_PARAMS in effect and the HELLO that opened or resumed the session, each with its response.
    Both sides must have seen them alike, or someone between them has made them agree on less than they can."""
    digest = hashlib.sha256()
    said: tuple[Any, ...] = (phone, module, *(params or ()), *(hello or ()))
    for value in said:
        if value is not None:
            digest.update(encode_layout(type(value).__name__, value))
    return digest.digest()


# ── The policy ───────────────────────────────────────────────────────────────────────────────────────

_MOST: Final = 10_000  # mW, class P5
# What may be drawn without proof: class P3, the highest that needs none; after a proof that failed class P2, a full
# sensor and as much as flows before authentication has finished.
_CAPS: Final = {TrustLevel.UNKNOWN: 5_000, TrustLevel.REJECTED: 3_000}
# Who is not believed may neither replace firmware nor feed the phone; everything that a picture needs is granted.
_WITHHELD: Final = Feature.FIRMWARE | Feature.ROLE_SWAP


def policy(level: TrustLevel, features: int, *, available: int = _MOST, expires: int = 0) -> TrustPolicy:
    """The TRUST_POLICY for a module of some `features`, from a phone that can give `available` mW; `expires` in s, 0
    for as long as the session. It caps power and never withholds what capture needs (R-SEC-005, R-SEC-009)."""
    return TrustPolicy(
        level=level,
        max_power=min(available, _CAPS.get(level, _MOST)),
        granted=features & ~_WITHHELD if level in _CAPS else features,
        expires=expires,
    )
