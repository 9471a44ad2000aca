"""Back end: how declarations are spelled in C: identifiers, literals, types, comments.

What is declared keeps its name behind the prefix `opal_` or `OPAL_`, so that C, Python and the catalogue call
everything alike; what the library adds is in lower case, where no declared type can be.

Plan: words · literals and types · comments · pieces of code.
"""

import re
from textwrap import wrap

from opalink.protocol.ir import model as ir

WIDTH = 110

# ── Words ────────────────────────────────────────────────────────────────────────────────────────────

# What C99, C11 and C++ keep for themselves, and the words of <stdbool.h>: the header serves them all.
KEYWORDS = frozenset(
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const "
    "const_cast consteval constexpr constinit continue co_await co_return co_yield decltype default delete do double "
    "dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace "
    "new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires "
    "restrict return short signed sizeof static static_assert static_cast struct switch template this thread_local "
    "throw true try typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor "
    "xor_eq linux unix".split()
)


def member(name: str) -> str:
    """A field's name as a member of a struct."""
    return f"{name}_" if name in KEYWORDS else name


def field(name: str) -> str:
    """The number of a field's name, in paths."""
    return f"OPAL_FIELD_{name}"


def capacity(layout: str, name: str) -> str:
    """The macro that says how many rows a list has room for."""
    return f"OPAL_CAPACITY_{layout}_{name}"


def layout_index(name: str) -> str:
    return f"OPAL_LAYOUT_{name}"


def space_index(name: str) -> str:
    return f"OPAL_SPACE_{name}"


# ── Literals and types ───────────────────────────────────────────────────────────────────────────────


def ctype(bits: int, signed: bool = False) -> str:
    """The type that holds so many bits."""
    return f"{'' if signed else 'u'}int{next(n for n in (8, 16, 32, 64) if bits <= n)}_t"


def literal(value: int, bits: int, signed: bool = False) -> str:
    """A number of so many bits."""
    if bits > 32:
        if value == -(1 << 63):
            return "(-INT64_C(9223372036854775807) - 1)"
        return f"{'INT64_C' if signed else 'UINT64_C'}({value})"
    if bits > 16:
        if value == -(1 << 31):
            return "(-INT32_C(2147483647) - 1)"
        return f"{'INT32_C' if signed else 'UINT32_C'}({value})"
    return f"{value}" if signed else f"{value}u"


def has_value(f: ir.Part) -> bool:
    """Whether a field stands in the struct: a constant is implied."""
    return not (isinstance(f, ir.Number) and f.const is not None)


# ── Comments ─────────────────────────────────────────────────────────────────────────────────────────


def comment(text: str, indent: str = "") -> list[str]:
    """A comment of as many lines as it takes."""
    text = re.sub(r"\s+", " ", text).replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").strip()
    lines = wrap(text, WIDTH - len(indent), break_long_words=False) or [""]
    if len(lines) == 1:
        return [f"{indent}/* {lines[0]} */"]
    return [f"{indent}/* {lines[0]}", *(f"{indent} * {x}" for x in lines[1:-1]), f"{indent} * {lines[-1]} */"]


def bar(title: str) -> str:
    """What begins a section."""
    return f"\n/* -- {title} {'-' * (WIDTH - len(title) - 4)} */\n"


# ── Pieces of code ───────────────────────────────────────────────────────────────────────────────────


def any_of(conditions: list[str], indent: str, operator: str = "||") -> str:
    """Conditions joined by an operator, broken into lines."""
    lines, now = [], ""
    for i, x in enumerate(conditions):
        piece = x + (f" {operator}" if i + 1 < len(conditions) else "")
        if now and len(now) + len(piece) > WIDTH - 20:
            lines.append(now)
            now = piece
        else:
            now = f"{now} {piece}".strip()
    return f"\n{indent}".join([*lines, now])


def outside(x: str, n: ir.Number, span: tuple[int, int], bits: int) -> list[str]:
    """The conditions that a number, whose type holds `span`, is not legal."""
    lo, hi = n.bounds
    if lo == hi:
        return [f"{x} != {literal(lo, bits, n.signed)}"]
    found = []
    if lo > span[0]:
        found.append(f"{x} < {literal(lo, bits, n.signed)}")
    if hi < span[1]:
        found.append(f"{x} > {literal(hi, bits, n.signed)}")
    return found
