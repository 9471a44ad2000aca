"""Test purposes: what is to be shown, under which conditions, and how, as data.

An ID is ROLE/AREA/SUBJECT/CLASS-name: "MOD/PWR/PWR_BUDGET/BI-g.cause.unknown_member". The name of a generated purpose
begins with `g.` and says what it changes; no ID is an ordinal, so none moves when another is added.

Plan: classes and plans · conditions · the single exchange · the purpose.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum

from msgspec import Struct

from opalink.protocol.ir import model as ir
from opalink.spec.form import Form, Role

# ── Classes and plans ────────────────────────────────────────────────────────────────────────────────

ROLES = {Role.MODULE: "MOD", Role.PHONE: "PHN"}


class Class(StrEnum):
    """ETSI's classes of test purposes."""

    CA = "CA"  # capability: it is there and does what it says
    BV = "BV"  # valid behaviour
    BI = "BI"  # invalid behaviour: a single fault
    BO = "BO"  # inopportune behaviour: legal, in the wrong state
    NP = "NP"  # what is not declared is refused
    RB = "RB"  # robustness: damage and whatever else can arrive
    TI = "TI"  # timers, at both edges where there are two


class Plan(StrEnum):
    """How much is run; each contains the ones before."""

    QUICK = "quick"  # scenarios and a sample of the rest: while writing firmware
    CI = "ci"  # everything once
    BENCH = "bench"  # the same on hardware: in real time, with nothing that needs virtual time
    CERT = "cert"  # and whatever takes long


_PLANS = tuple(Plan)


def included(purpose: Plan, chosen: Plan) -> bool:
    """Whether a campaign of the plan `chosen` has a purpose of the plan `purpose`."""
    return _PLANS.index(purpose) <= _PLANS.index(chosen)


# ── Conditions ───────────────────────────────────────────────────────────────────────────────────────
# A purpose applies if every word of its `needs` holds: "LASER", "!SECURITY", or "LENS|SENSOR" for either.


def any_of(features: Iterable[str]) -> tuple[str, ...]:
    """The condition that at least one of the features is there; none where there are no features."""
    names = tuple(features)
    return ("|".join(names),) if names else ()


def none_of(features: Iterable[str]) -> tuple[str, ...]:
    """The condition that none of the features is there."""
    return tuple(f"!{name}" for name in features)


def unmet(needs: Iterable[str], features: Collection[str]) -> str | None:
    """The first condition that does not hold for these features."""
    for word in needs:
        held = word[1:] not in features if word.startswith("!") else any(w in features for w in word.split("|"))
        if not held:
            return word
    return None


# ── The single exchange ──────────────────────────────────────────────────────────────────────────────


class Oracle(StrEnum):
    """What must come of a stimulus."""

    REFUSED = "refused"  # an answer with one of `statuses`, and nothing changed
    ACCEPTED = "accepted"  # an answer as the type declares, and no complaint about the payload
    SILENT = "silent"  # no answer
    DROPPED = "dropped"  # no answer, and BAD_CRC goes up by one
    REPEATED = "repeated"  # sent twice, and the same bytes come back twice


class Damage(StrEnum):
    """What is done to the whole packet."""

    NONE = "none"
    CRC = "crc"  # its last byte is changed
    CUT = "cut"  # its last byte is missing
    TAIL = "tail"  # a byte follows


class Exchange(Struct, frozen=True):
    """A stimulus and its oracle. `header` overrides what type and form say; `control` is the payload of a legal
    request of the same type, sent where the answer must be seen to be about the fault alone."""

    packet: int
    payload: bytes
    oracle: Oracle
    form: Form = Form.REQUEST
    header: tuple[tuple[str, int], ...] = ()
    damage: Damage = Damage.NONE
    state: str = "READY"
    statuses: tuple[str, ...] = ()
    control: bytes | None = None
    optional: bool = False


# ── The purpose ──────────────────────────────────────────────────────────────────────────────────────

PLANES = ("packet", "flit")


class Purpose(Struct, frozen=True):
    """A test purpose. `run` is an exchange or the name of a scenario; `operations` are what the upper tester must be
    able to do; `planes` where it can be tested; `virtual` marks one that needs virtual time. `premise` is the status
    without which it is about nothing: an implementation that never answers it has nothing to show."""

    id: str
    requirements: tuple[str, ...]
    sentence: str
    run: Exchange | str
    needs: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    planes: tuple[str, ...] = PLANES
    plan: Plan = Plan.CI
    virtual: bool = False
    premise: str = ""

    @property
    def class_(self) -> Class:
        return Class(self.id.rsplit("/", 1)[1][:2])


def sentence(given: str, when: str, then: str) -> str:
    """A purpose in TPLan's form (ETSI ES 202 553)."""
    return f"with {{{given}}} ensure that {{when {{{when}}} then {{{then}}}}}"


def identify(role: Role, area: str, subject: str, class_: Class, name: str) -> str:
    return f"{ROLES[role]}/{area}/{subject}/{class_}-{name}"


def area_of(catalogue: ir.Catalogue, packet: ir.Packet) -> str:
    """The area that a packet's requirements have."""
    return catalogue.group[packet.group].area
