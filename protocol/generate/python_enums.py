"""Back end: the enumerations of the Python codec, and the tables by which numbers and tags find their members."""

from collections.abc import Iterator

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import singular

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
    if n.bits <= _TABLE_BITS and not n.signed:
        return f"_T_{n.choices}_{n.bits}[{x}]"
    return f"_G_{n.choices}({x}, {x})"


def lookups(catalogue: ir.Catalogue) -> str:
    """The tables by which raw numbers become members, for the widths in use."""
    uses = {(n.choices, 0 if n.signed or n.bits > _TABLE_BITS else n.bits) for n in all_numbers(catalogue) if n.choices}
    return "\n".join(
        f"_T_{name}_{width} = _total({name}, {width})" if width else f"_G_{name} = {name}._value2member_map_.get"
        for name, width in sorted(uses)
    )


def all_numbers(catalogue: ir.Catalogue) -> Iterator[ir.Number]:
    for parts in [*(x.parts for x in catalogue.layouts), *(e.header for e in catalogue.envelopes)]:
        yield from (f for f in ir.fields_of(parts) if isinstance(f, ir.Number))


def tag_enum(space: ir.Space) -> str:
    """The enumeration of a space's tags: PropertyTag for properties."""
    members = tuple((t.name.upper(), t.tag, t.doc) for t in space.types)
    return enum_source(singular(space.name) + "Tag", f"Tags of the space `{space.name}`.", members)


def tag_table(space: ir.Space) -> str:
    """How the TLVs of a space are read and written."""
    tag = singular(space.name) + "Tag"
    lines = [
        f"    {t.tag}: ({tag}.{t.name.upper()}, {t.name!r}, decode_{t.layout}, encode_{t.layout})," for t in space.types
    ]
    return "\n".join([f"_K_{space.name}: _TagTable = {{", *lines, "}"])
