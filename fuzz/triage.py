"""Triage: whether a finding shows again, what is needed for it, and which findings are one.

A finding is confirmed by playing its case again from fresh, and minimised while it stays of its class: the same
requirement by the same oracle, with the same last words where the implementation went away. First whole steps go, then
what the steps say: fields to their defaults, lists to fewer items, headers to what follows from the rest. So the
reproducer says what matters, and little else.

Plan: the class of a finding · confirming · minimising: steps, what they say · the signature.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct, structs

from opalink.fuzz.case import Case
from opalink.fuzz.findings import Finding, Played
from opalink.fuzz.packets import layout_of
from opalink.fuzz.steps import Again, Delay, Raw, Reach, Send, Step
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import Lie, default
from opalink.spec.form import MS

TIMES: Final = 3  # that a case is played to confirm a finding
MOST: Final = 200  # plays to minimise one
_SIMPLE: Final = ("BEACON", "HELLO", "READY")  # preambles, the shortest first

Play = Callable[[Case], Played]

# ── The class of a finding ───────────────────────────────────────────────────────────────────────────

Class = tuple[str, str, str]


def class_of(finding: Finding) -> Class:
    """What stays the same while a finding is minimised; numbers in last words do not count."""
    return finding.requirement, finding.oracle, re.sub(r"0x[0-9a-f]+|[0-9]+", "#", finding.last)


def found(played: Played, wanted: Class) -> Finding | None:
    """The first finding of a class in what a case came to."""
    return next((f for f in played.findings if class_of(f) == wanted), None)


# ── Confirming ───────────────────────────────────────────────────────────────────────────────────────


class Confirmed(Struct, frozen=True):
    """A finding with the smallest case that shows it. Of `times` plays of the case `shown` have shown it."""

    finding: Finding
    case: Case
    played: Played
    shown: int
    times: int
    signature: str

    @property
    def stable(self) -> bool:
        return self.shown == self.times


def triage(play: Play, case: Case, finding: Finding, most: int = MOST) -> Confirmed | None:
    """Confirm a finding and minimise its case; None if it never shows again."""
    wanted = class_of(finding)
    shown = sum(found(play(case), wanted) is not None for _ in range(TIMES))
    if not shown:
        return None
    if shown == TIMES and most:
        begun = _with(case, case.steps[: finding.step + 1])
        case = begun if found(play(begun), wanted) else case
        case = minimised(play, case, wanted, most)
    played = play(case)
    again = found(played, wanted)
    if again is None:
        return Confirmed(finding, case, played, shown, TIMES + 1, signature(finding, case))
    return Confirmed(again, case, played, shown + 1, TIMES + 1, signature(again, case))


# ── Minimising ───────────────────────────────────────────────────────────────────────────────────────


def minimised(play: Play, case: Case, wanted: Class, most: int = MOST) -> Case:
    """The smallest case found within `most` plays that still has a finding of the class."""
    left = most

    def shows(candidate: Case) -> bool:
        nonlocal left
        if left <= 0 or candidate == case:
            return False
        left -= 1
        return found(play(candidate), wanted) is not None

    for candidate in _guesses(case):
        if shows(candidate):
            case = candidate
            break
    case = _fewer(case, shows)
    again = True
    while again and left > 0:
        before = case
        case = _simpler(case, shows)
        case = _fewer(case, shows)
        again = case != before
    return case


def _guesses(case: Case) -> Iterator[Case]:
    """What mostly suffices: the beginning and one more step."""
    if len(case.steps) > 2:
        yield from (_with(case, (case.steps[0], step)) for step in reversed(case.steps[1:]))


def _fewer(case: Case, shows: Callable[[Case], bool]) -> Case:
    """Delta debugging on steps: halves first, single steps last."""
    size = max(1, len(case.steps) // 2)
    while True:
        at = 0
        while at < len(case.steps):
            candidate = _with(case, case.steps[:at] + case.steps[at + size :])
            if shows(candidate):
                case = candidate
            else:
                at += size
        if size == 1:
            return case
        size //= 2


def _with(case: Case, steps: tuple[Step, ...]) -> Case:
    return structs.replace(case, steps=steps)


def _simpler(case: Case, shows: Callable[[Case], bool]) -> Case:
    """Every step as plain as it can be."""
    if case.seed != 1 and shows(plain := structs.replace(case, seed=1)):
        case = plain
    for i in range(len(case.steps)):
        tried = True
        while tried:
            tried = False
            for step in _plainer(case.steps[i]):
                candidate = _with(case, (*case.steps[:i], step, *case.steps[i + 1 :]))
                if shows(candidate):
                    case, tried = candidate, True
                    break
    return case


def _plainer(step: Step) -> Iterator[Step]:
    """Steps that say less than a step, the plainest first."""
    match step:
        case Reach(state):
            yield from (Reach(s) for s in _SIMPLE[: _SIMPLE.index(state) if state in _SIMPLE else None])
        case Delay(time) if time > MS:
            yield Delay(MS)
            yield Delay(time // 2)
        case Again(back) if back > 1:
            yield Again(1)
        case Raw(lane, data) if data:
            yield from (Raw(lane, data[:n]) for n in (0, len(data) // 2, len(data) - 1))
        case Send():
            yield from _plainer_packet(step)


def _plainer_packet(send: Send) -> Iterator[Send]:
    for name in ("flip", "split"):
        if getattr(send, name) >= 0:
            yield structs.replace(send, **{name: -1})
    if send.lane:
        yield structs.replace(send, lane="")
    for i in range(len(send.header)):
        yield structs.replace(send, header=send.header[:i] + send.header[i + 1 :])
    if send.payload:
        yield from (structs.replace(send, payload=send.payload[:n]) for n in (0, len(send.payload) // 2))
    if send.payload is not None:
        yield structs.replace(send, payload=None)
        return
    layout = layout_of(send.packet, send.form)
    usual = default(catalogue(), layout) if layout is not None else {}
    if send.value:
        yield structs.replace(send, value={})
    for name, value in send.value.items():
        without = {k: v for k, v in send.value.items() if k != name}
        yield structs.replace(send, value=without)
        if value != usual.get(name):
            yield from (structs.replace(send, value={**send.value, name: v}) for v in _smaller(value))


def _smaller(value: Any) -> Iterator[Any]:
    """Values that hold less."""
    match value:
        case Lie(_, content):
            yield content
        case list() if value:
            yield []
            yield value[: len(value) // 2]
            yield from (value[:i] + value[i + 1 :] for i in range(len(value)))
        case bytes() if value:
            yield value[: len(value) // 2]


# ── The signature ────────────────────────────────────────────────────────────────────────────────────


def signature(finding: Finding, case: Case) -> str:
    """Twelve hexadecimal digits for what makes a finding this one: its class, the way that its smallest case takes
    through packet types, and the state from which it does."""
    way = [step.packet if isinstance(step, Send) else type(step).__name__ for step in case.steps]
    first = next((step.state for step in case.steps if isinstance(step, Reach)), "")
    words = "\n".join([*class_of(finding), *way, first])
    return hashlib.sha256(words.encode()).hexdigest()[:12]
