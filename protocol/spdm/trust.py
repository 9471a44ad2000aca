"""What trust rests on and what follows from it: the session's measurement, and the policy that a phone sends.

Plan: the session's measurement · the policy.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from opalink.protocol.packets import Feature, TrustLevel, TrustPolicy

# ── The session's measurement ────────────────────────────────────────────────────────────────────────

SESSION_INDEX: Final = 0xE0  # R-SEC-004


def session_digest(packets: Iterable[tuple[int, bytes]]) -> bytes:
    """SHA-256 of a session's BEACON, HELLO and LINK_PARAMS packets, both sides'. Each is its link time in ns and its
    bytes, header and CRC included; the order in which they are given does not matter. It is what both sides must have
    seen alike, or someone between them has made them agree on less than they can (R-SEC-004)."""
    digest = hashlib.sha256()
    for _, packet in sorted(packets):
        digest.update(packet)
    return digest.digest()


# ── The policy ───────────────────────────────────────────────────────────────────────────────────────

_BELIEVED: Final = frozenset((TrustLevel.GENUINE, TrustLevel.MEASURED))
_CAPPED: Final = 3_000  # mW, class P2: a full sensor, and as much as flows before authentication has finished
_MOST: Final = 10_000  # mW, class P5
# Who is not believed may neither replace firmware nor feed the phone; everything that a picture needs is granted.
_WITHHELD: Final = Feature.FIRMWARE | Feature.ROLE_SWAP


def policy(level: TrustLevel, features: int, *, available: int = _MOST, expires: int = 0) -> TrustPolicy:
    """The TRUST_POLICY for a module of some `features`, from a phone that can give `available` mW; `expires` in s, 0
    for as long as the session. It caps power and never withholds what capture needs (R-SEC-005, R-SEC-009)."""
    believed = level in _BELIEVED
    return TrustPolicy(
        level=level,
        max_power=min(available, _MOST if believed else _CAPPED),
        granted=features if believed else features & ~_WITHHELD,
        expires=expires,
    )
