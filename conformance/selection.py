"""Which purposes a campaign runs: by plan, by expression, by what the implementation declares and offers.

An expression is made of words with `and`, `or`, `not` and brackets. A word holds for a purpose whose ID contains it, or
whose requirements name it.

Plan: expressions · reasons not to run.
"""

from collections.abc import Callable, Collection, Iterable

from opalink.conformance.generated import generated
from opalink.conformance.levels import operations_of
from opalink.conformance.planes import Planes, confined, offers, plane_of, usual
from opalink.conformance.purposes import Plan, Purpose, included, unmet
from opalink.conformance.scenarios import scenarios
from opalink.conformance.verdicts import Verdict
from opalink.protocol.packets import ClockMode, OperationTag
from opalink.protocol.transport import Bench
from opalink.spec.form import Role

Predicate = Callable[[Purpose], bool]

# ── Expressions ──────────────────────────────────────────────────────────────────────────────────────


class BadExpression(ValueError):  # noqa: N818  the caller's fault, in one sentence
    """An expression that is none."""


def expression(text: str) -> Predicate:
    """What `-k` means. The empty expression holds for all. Raises BadExpression."""
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    if not words:
        return lambda _: True
    found, rest = _either(words, text)
    if rest:
        raise BadExpression(f"{text!r} is no selection: {rest[0]!r} stands where it cannot.")
    return found


def _either(words: list[str], text: str) -> tuple[Predicate, list[str]]:
    left, words = _both(words, text)
    while words and words[0] == "or":
        right, words = _both(words[1:], text)
        left = _or(left, right)
    return left, words


def _both(words: list[str], text: str) -> tuple[Predicate, list[str]]:
    left, words = _one(words, text)
    while words and words[0] == "and":
        right, words = _one(words[1:], text)
        left = _and(left, right)
    return left, words


def _one(words: list[str], text: str) -> tuple[Predicate, list[str]]:
    if not words or words[0] in ("and", "or", ")"):
        raise BadExpression(f"{text!r} is no selection: a word is missing.")
    if words[0] == "not":
        inner, words = _one(words[1:], text)
        return lambda p: not inner(p), words
    if words[0] == "(":
        found, words = _either(words[1:], text)
        if not words or words[0] != ")":
            raise BadExpression(f"{text!r} is no selection: a bracket is not closed.")
        return found, words[1:]
    word = words[0].lower()
    return lambda p: word in p.id.lower() or word in (r.lower() for r in p.requirements), words[1:]


def _or(a: Predicate, b: Predicate) -> Predicate:
    return lambda p: a(p) or b(p)


def _and(a: Predicate, b: Predicate) -> Predicate:
    return lambda p: a(p) and b(p)


def purposes(role: Role) -> tuple[Purpose, ...]:
    """All purposes for a role: the scenarios first, because a person reads a report from its beginning."""
    return (*scenarios(role), *generated(role))


def select(role: Role, plan: Plan, text: str = "") -> tuple[Purpose, ...]:
    """The purposes of a plan for which an expression holds. One whose whole ID is given is in every plan."""
    if exact := [p for p in purposes(role) if p.id == text.strip()]:
        return tuple(exact)
    holds = expression(text)
    return tuple(p for p in purposes(role) if included(p.plan, plan) and holds(p))


# ── Reasons not to run ───────────────────────────────────────────────────────────────────────────────


def obstacle(
    purpose: Purpose, bench: Bench, choice: Planes, features: Collection[str] | None
) -> tuple[Verdict, str] | None:
    """Why a purpose is not executed: it does not apply, or this bench cannot. `features` are None if not known."""
    plane = plane_of(purpose, usual(bench, choice))
    if not offers(bench, plane):
        whose = (
            "The bench does this in the implementation's stead"
            if plane == "flit"
            else "It is about the bench's packets"
        )
        return Verdict.NA, f"{whose}: it does not offer the {plane.upper()} plane."
    if features is None and purpose.needs:
        return Verdict.NOTRUN, "The features of the implementation are not known."
    if word := unmet(purpose.needs, features or ()):
        return Verdict.NA, f"{'There is' if word.startswith('!') else 'It has no'} {_said(word)}."
    if confined(purpose, choice):
        return Verdict.NOTRUN, f"The campaign is confined to the {choice.upper()} plane."
    itself = purpose.id.split("/")[1] == "BEN"  # what others do in its stead shows nothing of the binding
    missing = list(_missing(operations_of(purpose, features or ()), bench, itself=itself))
    if missing:
        return Verdict.NOTRUN, f"The implementation does not offer the operation {', '.join(missing)}."
    if purpose.virtual and not bench.virtual:
        if not bench.peer.clocks & ClockMode.VIRTUAL and purpose.id.split("/")[1] == "BEN":
            return Verdict.NA, "It offers no virtual time."
        return Verdict.NOTRUN, "It needs virtual time."
    return None


def _missing(operations: Iterable[str], bench: Bench, *, itself: bool) -> Iterable[str]:
    return (name for name in operations if not bench.offers(OperationTag[name.upper()], itself=itself))


def _said(word: str) -> str:
    return word.lstrip("!").replace("|", " or ")
