"""Planes: on which a purpose can be tried, and on which a campaign tries it.

On the packet plane a tester meets packets, and the gateway of the bench does the link layer in the implementation's
stead; on the FLIT plane it meets what the lanes carry. A campaign is on both as far as the implementation offers them,
unless it is confined to one: what can be tried on either is then tried on that one, what is of the other alone is not
run and says why. A plane is no level but, like the clock, a circumstance that the certificate names; the plan `cert`
leaves none out that the implementation offers.

Plan: the choice · of a purpose · of a campaign.
"""

from typing import Final, Literal

from opalink.conformance.purposes import Damage, Exchange, Purpose
from opalink.conformance.tester.matrix import GATEWAY, TRAINING
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import Plane
from opalink.protocol.transport import Bench, NotOffered
from opalink.protocol.transport.bench import PlaneChoice
from opalink.spec.limits import PAYLOAD_MAX

# ── The choice ───────────────────────────────────────────────────────────────────────────────────────

Planes = Literal["auto", "packet", "flit", "both"]  # "auto" is both, or the one that there is
CHOICES: Final[tuple[Planes, ...]] = ("both", "packet", "flit")
_FLAGS: Final[dict[PlaneChoice, Plane]] = {"packet": Plane.PACKET, "flit": Plane.FLIT}

# ── Of a purpose ─────────────────────────────────────────────────────────────────────────────────────


def planes_of(p: ir.Packet, run: Exchange) -> tuple[PlaneChoice, ...]:
    """Where an exchange can be tried. A packet of a wrong length is no packet to FLITs, only to a bench's record; nor
    does a channel of the laser take one that is longer than its limit."""
    if run.damage in (Damage.CUT, Damage.TAIL):
        return () if p.name in GATEWAY else ("packet",)
    if len(run.payload) > PAYLOAD_MAX[p.channel] and p.name not in GATEWAY:
        return ("packet",)
    return ("flit",) if p.name in GATEWAY or run.state in TRAINING else ("packet", "flit")


def plane_of(purpose: Purpose, usual: PlaneChoice) -> PlaneChoice:
    """The plane on which a purpose is executed: the usual one where it can be, else its own."""
    if usual in purpose.planes:
        return usual
    return "packet" if "packet" in purpose.planes else "flit"


# ── Of a campaign ────────────────────────────────────────────────────────────────────────────────────


def offers(bench: Bench, plane: PlaneChoice) -> bool:
    """Whether the implementation can be met on a plane."""
    return bool(bench.peer.planes & _FLAGS[plane])


def check(bench: Bench, choice: Planes) -> None:
    """Raises NotOffered where the implementation lacks a plane that was asked for."""
    for plane in _FLAGS:
        if choice in (plane, "both") and not offers(bench, plane):
            raise NotOffered(f"The implementation does not offer the {plane.upper()} plane.")


def usual(bench: Bench, choice: Planes) -> PlaneChoice:
    """The plane on which a campaign executes what can be executed on either."""
    return "packet" if choice != "flit" and offers(bench, "packet") else "flit"


def met(bench: Bench, choice: Planes) -> Planes:
    """The planes on which a campaign meets the implementation: "packet", "flit" or "both"."""
    if choice != "auto":
        return choice
    return "both" if all(offers(bench, plane) for plane in _FLAGS) else usual(bench, choice)


def confined(purpose: Purpose, choice: Planes) -> bool:
    """Whether a purpose cannot be tried on the one plane to which a campaign is confined."""
    return choice in _FLAGS and choice not in purpose.planes
