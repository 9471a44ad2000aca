"""The reference pages read back: what they say of fields, examples and machines, beside what the catalogue says.

Nothing here asks the back end that made the pages.

Plan: fields · examples · machines · all of it.
"""

import re
from collections.abc import Iterator

from opalink.protocol import codec
from opalink.protocol.ir import model as ir

Pages = dict[str, str]

# ── Fields ───────────────────────────────────────────────────────────────────────────────────────────


def _rows(page: str, kind: str) -> Iterator[list[str]]:
    """The cells of every row of the tables of a kind, with their numbers as Python writes them."""
    for block in re.findall(rf"^\{{\.opal-{kind}\}}\n((?:\|.*\n)+)", page, re.MULTILINE):
        for line in block.replace("\u202f", "").splitlines()[2:]:
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _shown(c: ir.Catalogue, packet: ir.Packet) -> Iterator[ir.Layout]:
    """The layouts on the page of a message: those of its forms, each followed by its rows, and no row twice."""
    seen: set[str] = set()

    def below(layout: ir.Layout) -> Iterator[ir.Layout]:
        for p in layout.parts:
            if isinstance(p, ir.Rows):
                yield c.layout[p.row]
                yield from below(c.layout[p.row])

    for name in packet.forms.values():
        seen.add(name)
        yield c.layout[name]
        for row in below(c.layout[name]):
            if row.name not in seen:
                seen.add(row.name)
                yield row


def _said(layout: ir.Layout) -> Iterator[tuple[str, str, str, str]]:
    """Offset, type, name and bounds of each field as the table has to say them; what need not be said is empty."""
    at: int | None = 0
    for p in layout.parts:
        place = "…" if at is None else str(at)
        if isinstance(p, ir.Bits):
            for f in p.fields:
                top = f.shift + f.bits - 1
                span = str(top) if f.bits == 1 else f"{top}:{f.shift}"
                sort = f"u{8 * p.size}, bit{'s' * (f.bits > 1)} {span}"
                yield f"{place}\\[{span}\\]", sort, f.name, _bounds(f)
        elif isinstance(p, ir.Number):
            yield place, f"{'i' if p.signed else 'u'}{p.bits}", p.name, _bounds(p)
        elif isinstance(p, ir.Rows | ir.Blob | ir.Raw):
            span = str(p.hi) if p.lo == p.hi else f"{p.lo} to {p.hi}"
            yield place, "" if isinstance(p, ir.Raw) else f"u{8 * p.count} count", p.name, span
        else:
            yield place, f"{p.size} bytes" if isinstance(p, ir.Octets) else "TLVs", p.name, ""
        at = at + p.size if at is not None and isinstance(p, ir.Number | ir.Bits | ir.Octets) else None


def _bounds(n: ir.Number) -> str:
    if n.const is not None:
        return f"{n.const:#x}"
    return "{} to {}".format(*n.bounds) if n.checked and not n.reserved else ""


def fields(c: ir.Catalogue, pages: Pages) -> Iterator[str]:
    for packet in c.packets:
        wanted = [said for layout in _shown(c, packet) for said in _said(layout)]
        found = list(_rows(pages[f"messages/{packet.name}.md"], "fields"))
        if [(place, f"`{name}`") for place, _, name, _ in wanted] != [(row[0], row[2]) for row in found]:
            yield f"{packet.name} has other fields"
            continue
        for (_, sort, name, bounds), (_, shown, _, values, *_) in zip(wanted, found, strict=True):
            if not shown.startswith(sort) or bounds not in values:
                yield f"{packet.name}.{name} is {shown}, {values}"


# ── Examples ─────────────────────────────────────────────────────────────────────────────────────────


def examples(c: ir.Catalogue, pages: Pages) -> Iterator[str]:
    """The bytes of an example, those in its table, and the message of the page."""
    for packet in c.packets:
        page = pages[f"messages/{packet.name}.md"]
        (dump,) = re.findall(r"```text\n((?:[0-9a-f]{4}  .*\n)+)```", page)
        data = bytes.fromhex("".join(line[6:] for line in dump.splitlines()))
        rows = [row for row in _rows(page, "example") if row[0]]
        table = b"".join(bytes.fromhex(row[1].strip("`")) for row in rows if "…" not in row[1])
        if codec.decode(data).type != packet.code:
            yield f"the example of {packet.name} is of another type"
        if not any("…" in row[1] for row in rows) and table != data:
            yield f"the table of {packet.name} has other bytes than its example"


# ── Machines ─────────────────────────────────────────────────────────────────────────────────────────


def machines(c: ir.Catalogue, pages: Pages) -> Iterator[str]:
    """Where each row of a machine leads."""
    for m in c.machines:
        rows = pages[f"machines/{m.name}-{m.role}.md"].split("## Rows\n")[1].split("\n## ")[0]
        shown = [re.findall(r"\*\*(\w+)\*\*", line) for line in re.findall(r"^\| (?!Upon)(.*)$", rows, re.MULTILINE)]
        if sorted(x for names in shown for x in names) != sorted(r.next for r in m.rows if r.next):
            yield f"{m.name} of the {m.role} leads elsewhere"
        if len(shown) != len(m.rows):
            yield f"{m.name} of the {m.role} has {len(shown)} rows"


# ── All of it ────────────────────────────────────────────────────────────────────────────────────────


def lost(pages: Pages) -> set[str]:
    """The anchors that links lead to, within these pages, and that none of them gives."""
    text = "\n".join(pages.values())
    given = set(re.findall(r"^\(([\w./-]+)\)=$", text, re.MULTILINE)) | set(re.findall(r"\{#([\w.-]+)\}", text))
    wanted = set(re.findall(r"\{ref\}`[^`<]*<([^>`]+)>`", text))
    return {x for x in wanted if x.lower() not in {a.lower() for a in given} and not x.startswith("area-")}


def wrong(c: ir.Catalogue, pages: Pages) -> Iterator[str]:
    """Whatever the pages say that is not so."""
    for judge in (fields, examples, machines):
        yield from judge(c, pages)
    yield from (f"nothing is at {anchor}" for anchor in sorted(lost(pages)))
