"""`opalink spec`: the catalogue, asked from the command line."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import msgspec

from opalink.protocol import machine_table
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.model_commands import model
from opalink.spec.form import Form, Timer


@click.group()
def spec() -> None:
    """The catalogue: list, show, check, export, compare.

    It declares packets, codes, timers, machines, profiles and requirements; everything else is derived from it.
    """


spec.add_command(model)

# ── list ─────────────────────────────────────────────────────────────────────────────────────────────


def _field_json(f: ir.Part) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(f)
    data["kind"] = data.pop("type")
    return data


def packet_json(c: ir.Catalogue, p: ir.Packet) -> dict[str, Any]:
    """What machines read of a packet type; `size` and `fields` are those of its first form."""
    forms = {form: _layout_json(c, name) for form, name in p.forms.items()}
    return {
        "code": p.code,
        "name": p.name,
        "group": p.group,
        "sender": p.sender,
        "kind": p.kind,
        "requirement_level": p.level,
        "needs": list(p.needs),
        "channel": p.channel,
        "lanes": list(p.lanes),
        **next(iter(forms.values())),
        "forms": forms,
    }


def _layout_json(c: ir.Catalogue, name: str) -> dict[str, Any]:
    least, most = c.sizes[name]
    fields = [_field_json(f) for f in ir.fields_of(c.layout[name].parts)]
    return {"size": {"min": least, "max": most}, "fields": fields}


TABLES = (
    "packets",
    "statuses",
    "timers",
    "limits",
    "channels",
    "gears",
    "machines",
    "profiles",
    "requirements",
    "enums",
)


@spec.command("list")
@click.argument("table", type=click.Choice(TABLES), default="packets")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_(table: str, as_json: bool) -> None:
    """List a TABLE of the catalogue: packets unless another is named."""
    c = catalogue()
    if as_json:
        entries = [packet_json(c, p) for p in c.packets] if table == "packets" else getattr(c, table)
        click.echo(msgspec.json.format(msgspec.json.encode(entries), indent=1).decode())
        return
    rows: list[tuple[str, ...]]
    match table:
        case "packets":
            rows = [(f"0x{p.code:02X}", p.name, p.group, p.sender.value, p.kind, p.level) for p in c.packets]
        case "requirements":
            rows = [(r.id, r.level.value, r.role.value, r.test.value, r.text) for r in c.requirements]
        case "timers":
            rows = [(t.name, t.kind.value, t.role.value, *_edges(t)) for t in c.timers]
        case "machines":
            rows = [(m.name, m.role.value, f"{len(m.states)} states", f"{len(m.rows)} rows") for m in c.machines]
        case _:
            rows = [(x.name, str(getattr(x, "value", "")), x.doc) for x in getattr(c, table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    click.echo(f"{len(rows)} {table}", err=True)


def _edges(t: Timer) -> tuple[str, str, str]:
    return _ms(t.min), _ms(t.nominal), _ms(t.max)


def _ms(ns: int | None) -> str:
    return "–" if ns is None else f"{ns / 1e6:g} ms"


# ── show ─────────────────────────────────────────────────────────────────────────────────────────────


@spec.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show(name: str, as_json: bool) -> None:
    """Show what NAME stands for in the catalogue.

    It may name a packet type, a layout, an envelope, a requirement, a status, a timer, a limit, a channel, a gear, an
    enumeration, a set of flags, a space of TLVs, a profile, or a machine with its role: POWER.module.
    """
    c = catalogue()
    if name in c.packet:
        packet = c.packet[name]
        click.echo(_json(packet_json(c, packet)) if as_json else _show_packet(c, packet))
        return
    tables: list[tuple[str, dict[str, Any]]] = [
        ("requirement", c.requirement), ("status", c.status), ("timer", c.timer), ("enumeration", c.choices),
        ("flags", c.flag_set), ("profile", c.profile), ("limit", {x.name: x for x in c.limits}),
        ("channel", c.channel), ("gear", {x.name: x for x in c.gears}), ("layout", c.layout), ("space", c.space),
        ("envelope", c.envelope), ("machine", {f"{m.name}.{m.role}": m for m in c.machines}),
    ]  # fmt: skip
    for kind, table in tables:
        if name in table:
            if as_json:
                click.echo(_json(table[name]))
            elif kind == "machine":
                click.echo(machine_table.text(table[name]))
            else:
                click.echo(f"{kind} {name}\n{_json(table[name])}")
            return
    raise click.UsageError(f"Nothing in the catalogue is called {name!r}; `opalink spec list TABLE` shows the names.")


def _json(entry: object) -> str:
    return msgspec.json.format(msgspec.json.encode(entry), indent=2).decode()


def _show_packet(c: ir.Catalogue, p: ir.Packet) -> str:
    needs = f" with {' or '.join(p.needs)}" if p.needs else ""
    lines = [f"{p.name} (0x{p.code:02X}), {p.group}, sent by the {p.sender}, {p.level}{needs}", "", p.doc, ""]
    lines.append(f"channel {p.channel}, on {' and '.join(p.lanes)}")
    for form, name in p.forms.items():
        lo, hi = c.sizes[name]
        lines += ["", f"{form}: {lo} to {hi} bytes" if lo != hi else f"{form}: {lo} bytes"]
        lines += [f"  {line}" for line in field_lines(c, c.layout[name])]
    if Form.REQUEST in p.forms:
        lines += ["", f"statuses: {', '.join([*c.general, *p.statuses])}"]
    about = [r for r in c.requirements if r.packet == p.name]
    lines += ["", "requirements:", *(f"  {r.id} {r.text}" for r in about)] if about else []
    return "\n".join(lines)


def field_lines(c: ir.Catalogue, layout: ir.Layout) -> list[str]:
    """A layout as text: a line a field, with its bytes, name, range, unit and meaning."""
    lines = []
    for part in layout.parts:
        for f in part.fields if isinstance(part, ir.Bits) else (part,):
            inside = "  " if isinstance(part, ir.Bits) else ""
            lines.append(f"{inside}{f.name:<16} {_shape(f):<14} {f.doc}{_legal(f)}")
            if isinstance(f, ir.Rows):
                lines += [f"    {line}" for line in field_lines(c, c.layout[f.row])]
    return lines


def _shape(f: ir.Part) -> str:
    match f:
        case ir.Number():
            return f"{'i' if f.signed else 'u'}{f.bits}"
        case ir.Octets():
            return f"{f.size} bytes"
        case ir.Blob():
            return f"u{8 * f.count} + bytes"
        case ir.Raw():
            return "rest"
        case ir.Rows():
            return f"u{8 * f.count} + rows"
        case ir.Tlvs():
            return "TLVs"
    raise AssertionError(f)


def _legal(f: ir.Part) -> str:
    said = []
    if isinstance(f, ir.Number):
        if f.checked and f.const is None:
            said.append("{} to {}".format(*f.bounds))
        if f.unit:
            said.append(f.unit if f.scale == "1" else f"{f.scale} {f.unit}")
        said += [x for x in (f.choices, f.flags) if x]
    elif isinstance(f, (ir.Blob, ir.Raw, ir.Rows)):
        said.append(f"{f.lo} to {f.hi}")
    return f" [{', '.join(said)}]" if said else ""


# ── check, export, diff ──────────────────────────────────────────────────────────────────────────────


@spec.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(as_json: bool) -> None:
    """Prove what can be proved of the declarations; exit 1 on an error."""
    from opalink.protocol.check import check as run
    from opalink.protocol.check.rules import RULES
    from opalink.protocol.ir.diagnostics import DIAGNOSTICS, SpecError
    from opalink.protocol.ir.load import declared

    try:
        c, _ = declared()
        findings = run(c)
    except SpecError as error:
        c, findings = catalogue(), []
        walker = [{"code": error.code, "where": error.where, "detail": error.detail}]
    else:
        walker = []
    errors = walker + [msgspec.to_builtins(f) for f in findings if not f.warning]
    warnings = [msgspec.to_builtins(f) for f in findings if f.warning]
    counts = {
        "packets": len(c.packets),
        "machines": len(c.machines),
        "rows": sum(len(m.rows) for m in c.machines),
        "timers": len(c.timers),
        "statuses": len(c.statuses),
        "requirements": len(c.requirements),
    }
    if as_json:
        click.echo(json.dumps({"errors": errors, "warnings": warnings, "counts": counts}, indent=1))
    else:
        for kind, found in (("error", errors), ("warning", warnings)):
            for f in found:
                click.echo(f"{kind} {f['code']} {f['where']}: {f['detail']}")
        click.echo(", ".join(f"{n} {name}" for name, n in counts.items()))
        rules = len(RULES) + len(DIAGNOSTICS)
        click.echo(f"{rules} rules: {len(errors)} errors, {len(warnings)} warnings")
    sys.exit(1 if errors else 0)


@spec.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), required=False)
def export(out: Path | None) -> None:
    """Write the canonical JSON of the catalogue to OUT, or to standard output; its SHA-256 to standard error."""
    c = catalogue()
    if out:
        out.write_bytes(c.to_json())
    else:
        sys.stdout.buffer.write(c.to_json())
    click.echo(f"sha256 {c.fingerprint}", err=True)


_EXPORT = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@spec.command()
@click.argument("old", type=_EXPORT)
@click.argument("new", type=_EXPORT, required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def diff(old: Path, new: Path | None, as_json: bool) -> None:
    """Compare two exports, or OLD with this version: compatible, conditional, breaking. Exit 1 if breaking.

    OLD and NEW are what `opalink spec export` wrote; - is standard input.
    """
    from opalink.protocol.ir.compat import Impact, compare, verdict

    changes = compare(_export(old), _export(new) if new else catalogue())
    worst = verdict(changes)
    if as_json:
        click.echo(json.dumps({"verdict": worst, "changes": [msgspec.to_builtins(c) for c in changes]}, indent=1))
    else:
        for change in sorted(changes, key=lambda c: list(Impact).index(c.impact), reverse=True):
            click.echo(_printable(str(change)))
        counts = Counter(c.impact for c in changes)
        click.echo(f"{worst}: " + ", ".join(f"{counts[i]} {i}" for i in Impact))
    sys.exit(1 if worst is Impact.BREAKING else 0)


def _export(path: Path) -> ir.Catalogue:
    try:
        return ir.Catalogue.from_json(sys.stdin.buffer.read() if path == Path("-") else path.read_bytes())
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise click.UsageError(_printable(f"{path} is no export of a catalogue: {error}.")) from None


def _printable(text: str) -> str:
    """Text that may come from a stranger's file, without what a terminal would obey."""
    return "".join(ch if ch.isprintable() else repr(ch)[1:-1] for ch in text)
