"""The words of the document: text made safe for Markdown, names that become links, quantities, tables.

Plan: names · text · quantities · tables.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from opalink.protocol.ir import model as ir
from opalink.spec.form import MS, SECOND, US, Machine

# ── Names ────────────────────────────────────────────────────────────────────────────────────────────
# An anchor is kind-name. What is declared once has one anchor; everything else points at it.

_REQUIREMENT: Final = re.compile(r"R-[A-Z]+-\d{3}")
_WORD: Final = re.compile(r"(?<![\w`/.\[(#-])(R-[A-Z]+-\d{3}|[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)(?![\w`/\]-])")


def anchors(catalogue: ir.Catalogue) -> dict[str, str]:
    """What a name in running text stands for: name → anchor. A name that two tables have is the message's first."""
    found = {f.name: f"feature-{f.name}" for f in catalogue.flag_set.get("Feature", ir.Flags("", "", ())).members}
    found |= {s.name: f"status-{s.name}" for s in catalogue.statuses}
    found |= {t.name: f"timer-{t.name}" for t in catalogue.timers}
    found |= {x.name: f"limit-{x.name}" for x in catalogue.limits}
    found |= {p.name: f"message-{p.name}" for p in catalogue.packets}
    return {name: anchor for name, anchor in found.items() if not (name.isalpha() and name.islower())}


def ref(anchor: str, text: str) -> str:
    """A link to an anchor of the document; that there is one, the build checks."""
    return f"{{ref}}`{text} <{anchor}>`"


def need(requirement: str) -> str:
    return f"{{need}}`{requirement}`"


def machine_anchor(machine: Machine) -> str:
    return f"machine-{machine.name}-{machine.role}"


# ── Text ─────────────────────────────────────────────────────────────────────────────────────────────


def plain(text: str) -> str:
    """A declared sentence as Markdown: its `code` stays, what Markdown would take for markup does not."""
    return re.sub(r"([<>\[\]*|$])", r"\\\1", " ".join(text.split()))


# Words that are names, and words of the language too: in prose they are the latter.
_COMMON: Final = frozenset("OK LASER TIME PLAN SENSOR VIDEO LENS FLASH CONTROLS BUFFER STORAGE BATTERY READY".split())


def linked(catalogue: ir.Catalogue, text: str, but: str = "") -> str:
    """Text in which the names of messages, statuses, timers, limits and requirements are links; not `but` itself."""
    known = anchors(catalogue)

    def link(found: re.Match[str]) -> str:
        word = found[1]
        if _REQUIREMENT.fullmatch(word):
            return need(word) if word in catalogue.requirement else word
        if (
            word not in known
            or word == but
            or word in _COMMON
            or not ("_" in word or word.isupper() or word[:1] == "t")
        ):
            return word
        return ref(known[word], word)

    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if i % 2 else _WORD.sub(link, p) for i, p in enumerate(parts))


def said(catalogue: ir.Catalogue, text: str, but: str = "") -> str:
    """A declared sentence with its names as links."""
    return linked(catalogue, plain(text), but)


_QUANTITY: Final = re.compile(r"\{\{ ?(\w+) ?\}\}")


def prose(catalogue: ir.Catalogue, page: str) -> str:
    """A hand-written page with its names as links (not those in headings, code, comments or links) and with what the
    catalogue says for {{ tHello }} and {{ flit_bytes }}. Raises ValueError for a quantity that it does not know."""
    known = quantities(catalogue)
    if lost := [x for x in _QUANTITY.findall(page) if x not in known]:
        raise ValueError(f"The catalogue has no timer or limit {', '.join(lost)}.")
    out, fence = [], ""
    for line in _QUANTITY.sub(lambda found: known[found[1]], page).splitlines():
        mark = re.match(r"\s*(`{3,}|:{3,}|~{3,})", line)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark[1]
        elif not fence and not re.match(r"\s*(#|\(|%|<|\[.*\]:)", line) and "](" not in line:
            line = linked(catalogue, line)  # noqa: PLW2901 (the line as it is to be)
        out.append(line)
    return "\n".join(out) + "\n"


# ── Quantities ───────────────────────────────────────────────────────────────────────────────────────


def grouped(n: int) -> str:
    """A number in groups of three digits, from five digits up."""
    return f"{n:,}".replace(",", "\u202f") if abs(n) >= 10_000 else str(n)


def duration(ns: int | None) -> str:
    """Nanoseconds in the largest unit that leaves a short number."""
    if ns is None:
        return "–"
    for unit, size in (("s", SECOND), ("ms", MS), ("µs", US)):
        if ns >= size:
            return f"{_short(Fraction(ns, size))} {unit}"
    return f"{ns} ns"


def quantity(number: ir.Number, value: int) -> str:
    """A wire value with its unit, as a quantity where there is a scale."""
    if number.factor == 1:
        return f"{grouped(value)} {number.unit}".strip()
    return f"{_short(value * number.factor)} {number.unit}".strip()


def _short(value: Fraction) -> str:
    return grouped(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


def bytes_of(extent: tuple[int, int]) -> str:
    least, most = extent
    return f"{grouped(least)} B" if least == most else f"{grouped(least)} to {grouped(most)} B"


def quantities(catalogue: ir.Catalogue) -> dict[str, str]:
    """What prose may say of a timer or a limit without knowing it: name → quantity; a timer's edges besides."""
    out = {x.name: f"{grouped(x.value)} {x.unit}".strip() for x in catalogue.limits}
    for t in catalogue.timers:
        edges = {"min": t.min, "nominal": t.nominal, "max": t.max}
        out |= {f"{t.name}_{edge}": duration(ns) for edge, ns in edges.items() if ns is not None}
        out[t.name] = duration(t.max if t.max is not None else t.min)
    return out


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────────


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], classes: str = "") -> list[str]:
    """A table; none where there are no rows."""
    body = ["| " + " | ".join(cell or " " for cell in row) + " |" for row in rows]
    if not body:
        return []
    rule = "|" + "|".join("---" for _ in heads) + "|"
    return [*([f"{{.{classes}}}"] if classes else []), "| " + " | ".join(heads) + " |", rule, *body, ""]


def heading(level: int, text: str, anchor: str = "") -> list[str]:
    return [*([f"({anchor})="] if anchor else []), "#" * level + " " + text, ""]


def page(fingerprint: str, *parts: Sequence[str]) -> bytes:
    """A page of Markdown out of lines."""
    mark = f"% Made by `opalink generate docs` from the catalogue with SHA-256\n% {fingerprint}\n\n"
    return (mark + "\n".join(line for part in parts for line in part).rstrip() + "\n").encode()
