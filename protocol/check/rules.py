"""The form of a rule, and the running of all of them.

A rule has a number for ever, a sentence, and a function from the catalogue to (where, detail) pairs. The numbers'
letters: L layouts, P packets, N numbers and codes, M machines, F profiles, R requirements; W is the walker's.
"""

from collections.abc import Callable, Iterable, Iterator

from opalink.protocol.ir.model import Catalogue
from opalink.spec.form import Record

Found = Iterator[tuple[str, str]]
Body = Callable[[Catalogue], Found]


class Finding(Record, frozen=True):
    """A rule broken at a place."""

    code: str
    where: str
    detail: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.where}: {self.detail}"


class Rule(Record, frozen=True):
    """A numbered rule. A broken warning does not fail the check."""

    code: str
    doc: str
    body: Body
    warning: bool = False


RULES: dict[str, Rule] = {}


def rule(code: str, doc: str, *, warning: bool = False) -> Callable[[Body], Body]:
    """Register a rule."""

    def register(body: Body) -> Body:
        assert code not in RULES, code
        RULES[code] = Rule(code, doc, body, warning)
        return body

    return register


def check(catalogue: Catalogue) -> list[Finding]:
    """Every broken rule, in order of the numbers."""
    return [
        Finding(r.code, where, detail, r.warning)
        for r in sorted(RULES.values(), key=lambda r: r.code)
        for where, detail in r.body(catalogue)
    ]


def duplicates(names: Iterable[object]) -> Iterator[object]:
    """Whatever stands more than once, once each."""
    seen: set[object] = set()
    told: set[object] = set()
    for name in names:
        if name in seen and name not in told:
            told.add(name)
            yield name
        seen.add(name)
