"""Which requirements a campaign speaks of, and by what.

A requirement is covered by a test that was executed, by a monitor that saw it kept or broken, or by a reason: one that
it states itself, one of those below, or that of the tests that are about it and turned out not to apply. The reasons
below are about a bench, not about the requirement: another instrument judges it. What FLITs carry does not bind whoever
has the bench carry them.

Plan: reasons · who a requirement binds · coverage.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from opalink.conformance.bundle.results import Coverage, Covered, How, Result
from opalink.conformance.purposes import any_of, unmet
from opalink.conformance.tester.matrix import GATEWAY
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.verdicts import Verdict, worst
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.obligations import peer
from opalink.spec.form import Form, Requirement, Role, Testability

# ── Reasons ──────────────────────────────────────────────────────────────────────────────────────────

# On the packet plane all of it is the gateway's.
_FLIT_AREA = "R-FLT-"
_BY_FLITS = frozenset("R-LNK-015 R-LNK-016 R-LNK-018 R-PWR-015 R-TIM-001".split())

_STAMPS = "Stamps are of the module's own time, and what it makes of them no packet says."
_OWN = "Only a module that asks for it of its own accord sends it, and nothing that a tester does makes it."
_COMMAND = "A command is set and never read: the phone alone sends it."
_VENDOR = "What a vendor's packets do, the suite does not know: it sends none that a module would carry out."
_ANOTHER = "Where there is no stack, other firmware alone changes a descriptor, and the suite has none that is signed."

REASONS = {
    "R-LNK-018": "The light of a bench is there at once or not at all: no attempt at a gear fails.",
    "R-TIM-002": _STAMPS,
    "R-TIM-004": _STAMPS,
    "R-PWR-018": "A meter judges it, unless PWR_STATUS comes at that time.",
    "R-PWR-006": "Nothing at a bench takes power away between the sides.",
    "R-CAP-021": "Nothing at a bench makes a sensor fail.",
    **dict.fromkeys("R-LEN-127 R-LEN-128 R-LEN-129 R-LNK-187 R-LNK-193 R-LNK-200 R-LNK-201 R-MGT-153".split(), _OWN),
    **dict.fromkeys("R-TLV-122 R-TLV-123".split(), _COMMAND),
    **dict.fromkeys("R-MGT-179 R-MGT-180".split(), _VENDOR),
    **dict.fromkeys("R-MGT-014 R-MGT-112".split(), _ANOTHER),
    "R-ATT-016": "A module that has always something to say never sends KEEPALIVE.",
    "R-MGT-171": "A bench takes the sides apart at once: nothing announces it.",
    "R-MGT-040": "A bench takes the sides apart at once: nothing announces it.",
}
_EXECUTED = (Verdict.PASS, Verdict.FAIL, Verdict.INCONC, Verdict.ERROR)

# ── Who a requirement binds ──────────────────────────────────────────────────────────────────────────


def binds(catalogue: ir.Catalogue, r: Requirement, role: Role, features: Collection[str], plane: str) -> bool:
    """Whether a requirement applies to an implementation of this role with these features, of which the FLIT plane was
    seen, if it was."""
    holders = {role, Role.BOTH, Role.SINK if role is Role.MODULE else Role.SOURCE}
    if "ROLE_SWAP" in features:
        holders |= {Role.SINK, Role.SOURCE}
    if not _holder(catalogue, r) & holders:
        return False
    if plane == "packet" and (r.packet in GATEWAY or r.id.startswith(_FLIT_AREA) or r.id in _BY_FLITS):
        return False
    if (words := r.key.split("."))[0] in catalogue.space:  # what a TLV needs, wherever it travels
        tlv = next(t for t in catalogue.space[words[0]].types if t.name == words[1])
        if unmet(any_of(tlv.needs), features):
            return False
    lacking = [n[1:] for n in r.needs if n.startswith("!")]
    having = [n for n in r.needs if not n.startswith("!")]
    return not any(n in features for n in lacking) and (not having or any(n in features for n in having))


def _holder(catalogue: ir.Catalogue, r: Requirement) -> set[Role]:
    """Whose obligation it is. A generated one falls on whoever sends the form, or receives the request."""
    words = r.key.split(".")
    packet = catalogue.packet.get(words[0]) if r.key else None
    if packet is None:
        return {r.role}
    request = words[-1] != "sent" or words[1] not in (Form.REQUEST, Form.EVENT)
    side = peer(packet.sender) if request else packet.sender
    return {Role.MODULE, Role.PHONE} if side is Role.BOTH else {side}


# ── Coverage ─────────────────────────────────────────────────────────────────────────────────────────


def coverage(
    catalogue: ir.Catalogue,
    role: Role,
    features: Collection[str],
    plane: str,
    results: Iterable[Result],
    monitor: Monitor | None,
    moot: Collection[str] = (),
) -> Coverage:
    """What became of every requirement of the catalogue. `moot` are those whose premise never came about."""
    tests: defaultdict[str, list[Result]] = defaultdict(list)
    unrun: dict[str, str] = {}
    beside: dict[str, str] = {}
    for result in results:
        if result.verdict in _EXECUTED:
            for requirement in dict.fromkeys((*result.requirements, *result.charged)):
                tests[requirement].append(result)
        elif result.verdict is Verdict.NOTRUN:
            unrun |= dict.fromkeys(result.requirements, f"{result.id} was not run: {result.reason}")
        elif result.verdict is Verdict.NA:
            beside |= dict.fromkeys(result.requirements, f"{result.id} does not apply: {result.reason}")
    seen = monitor.covered() if monitor else Counter[str]()
    broken = monitor.broken if monitor else Counter[str]()
    return Coverage(
        tuple(
            _covered(
                r,
                r.id not in moot and binds(catalogue, r, role, features, plane),
                tests[r.id],
                seen[r.id],
                broken[r.id],
                unrun.get(r.id, ""),
                beside.get(r.id, ""),
            )
            for r in catalogue.requirements
        )
    )


def _covered(
    r: Requirement, applies: bool, tests: list[Result], seen: int, broken: int, unrun: str, beside: str
) -> Covered:
    verdicts = [_verdict(r.id, t) for t in tests]
    if seen:
        verdicts.append(Verdict.PASS)
    if broken:
        verdicts.append(Verdict.FAIL)
    reason = r.reason or REASONS.get(r.id, "") or ("" if unrun else beside)
    if not applies:
        how = How.NA
    elif any(r.id in t.requirements for t in tests):
        how = How.ACTIVE
    elif seen or broken:
        how = How.PASSIVE
    elif reason:
        how = How.REASONED
    else:
        how = How.UNSEEN if r.test is Testability.PASSIVE else How.NONE
        reason = unrun
    names = tuple(t.id for t in tests)
    return Covered(r.id, r.text, r.level, r.test, how, worst(verdicts), names, seen, "" if verdicts else reason)


def _verdict(requirement: str, result: Result) -> Verdict:
    """What a test says of one requirement: a failure that is charged to another is none of this one."""
    if result.verdict is Verdict.FAIL and result.charged and requirement not in result.charged:
        return Verdict.INCONC
    return result.verdict
