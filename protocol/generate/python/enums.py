"""Back end: the enumerations of the Python codec, and the tables by which numbers and tags find their members.

Plan: numbers · enumerations and the tables of their members · the tables of tags.
"""

from collections.abc import Iterator

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import singular

# The letters of `struct`, by width and sign. It has none for 24 bits.
CODES = {(8, False): "B", (16, False): "H", (24, False): "HB", (32, False): "I", (64, False): "Q"}
CODES |= {(8, True): "b", (16, True): "h", (32, True): "i", (64, True): "q"}
_TABLE_BITS = 8  # an unsigned enumeration of at most this width is looked up in a tuple of all its values


def docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")


def enum_source(name: str, doc: str, members: tuple[tuple[str, int, str], ...], base: str = "IntEnum") -> str:
    lines = [f"class {name}(_{base}):", f'    """{docstring(doc)}"""', ""]
    lines += [f"    {m} = {value}  # {text}" for m, value, text in members] or ["    pass"]
    return "\n".join(lines)


def member_lookup(n: ir.Number, x: str) -> str:
    """The expression that turns a raw number into its enumeration's member, if it has one."""
    if not n.choices:
        return x
    table = members_of(n)
    return f"{table}[{x}]" if _in_tuple(n) else f"{table}[{x}] if {x} in {table} else {x}"


def _in_tuple(n: ir.Number) -> bool:
    return n.bits <= _TABLE_BITS and not n.signed


def members_of(n: ir.Number) -> str:
    """The table that a number is looked up in."""
    return f"_T_{n.choices}_{n.bits}" if _in_tuple(n) else f"_G_{n.choices}"


def lookups(catalogue: ir.Catalogue) -> str:
    """The tables by which raw numbers become members, for the widths in use."""
    uses = sorted({(members_of(n), n.choices, n.bits) for n in all_numbers(catalogue) if n.choices})
    made = {
        table: f"_total({name}, {width})" if table.startswith("_T") else f"_members({name})"
        for table, name, width in uses
    }
    return "\n".join(f"{table} = {source}" for table, source in made.items())


def all_numbers(catalogue: ir.Catalogue) -> Iterator[ir.Number]:
    for parts in [*(x.parts for x in catalogue.layouts), *(e.header for e in catalogue.envelopes)]:
        yield from (f for f in ir.fields_of(parts) if isinstance(f, ir.Number))


def tag_enum(space: ir.Space) -> str:
    """The enumeration of a space's tags: PropertyTag for properties."""
    members = tuple((t.name.upper(), t.tag, t.doc) for t in space.types)
    return enum_source(singular(space.name) + "Tag", f"Tags of the space `{space.name}`.", members)


def tag_table(catalogue: ir.Catalogue, space: ir.Space) -> str:
    """How the TLVs of a space are read and written; and a short cut for those whose value is one number."""
    tag = singular(space.name) + "Tag"
    lines = [f"_K_{space.name}: _TagTable = {{"]
    lines += [f"    {t.tag}: ({tag}.{t.name.upper()}, decode_{t.layout}, encode_{t.layout})," for t in space.types]
    if numbers := numbers_of(catalogue, space):
        lines += ["}", f"_N_{space.name} = _Numbers("]
        for t, n in numbers.items():
            bounds = f", {n.bounds if n.checked else None}" if n.checked or n.choices else ""
            members = f", {n.choices}" if n.choices else ""
            lines.append(f"    ({tag}.{t.name.upper()}, {CODES[n.bits, n.signed]!r}{bounds}{members}),")
    return "\n".join([*lines, ")" if numbers else "}"])


def tables_of(catalogue: ir.Catalogue, space: str) -> str:
    """The names of both, as arguments."""
    return f"_K_{space}, _N_{space}" if numbers_of(catalogue, catalogue.space[space]) else f"_K_{space}"


def numbers_of(catalogue: ir.Catalogue, space: ir.Space) -> dict[ir.TlvType, ir.Number]:
    found = {t: ir.lone_number(catalogue.layout[t.layout]) for t in space.types}
    return {t: n for t, n in found.items() if n and n.bits != 24}  # `struct` has no such number
