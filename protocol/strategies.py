"""Hypothesis strategies for everything legal in the catalogue: values, values at their limits, packets.

    >>> from hypothesis import given
    >>> from opalink.protocol import codec, strategies
    >>> from opalink.protocol.ir.load import catalogue
    >>> @given(strategies.packets(catalogue()))
    ... def test_it_comes_back(data):
    ...     assert codec.encode(codec.decode(data)) == data
    >>> test_it_comes_back()

Values are plain, as `codec.plain` gives them; `opalink.protocol.ir.write.write` makes bytes of them. What is nearly
legal is in `near_misses`.

Plan: legal values · values at their limits · packets.
"""

from collections.abc import Callable
from typing import Any

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.probes import UNKNOWN_TAG, legal, maximum
from opalink.protocol.ir.write import Plain, as_tlv, checksums, default, header_of, write, write_envelope
from opalink.spec.form import Form

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ImportError as missing:
    raise ImportError("opalink.protocol.strategies needs Hypothesis: pip install 'opalink[pytest]'") from missing

Name = ir.Layout | str  # a layout, or its name

BYTES, ROWS, TLVS = 32, 4, 4  # how much more than the least a random value has


def layout_of(catalogue: ir.Catalogue, layout: Name) -> ir.Layout:
    """The layout that is meant."""
    return catalogue.layout[layout] if isinstance(layout, str) else layout


# ── Legal values ─────────────────────────────────────────────────────────────────────────────────────


def valid(catalogue: ir.Catalogue, layout: Name) -> SearchStrategy[Plain]:
    """Legal values of a layout. Lists and bytes are short: `boundary` makes long ones."""
    parts = layout_of(catalogue, layout).parts
    return st.fixed_dictionaries({f.name: _legal(catalogue, f) for f in ir.fields_of(parts) if not _is_const(f)})


def _is_const(f: ir.Part) -> bool:
    return isinstance(f, ir.Number) and f.const is not None


def _legal(catalogue: ir.Catalogue, f: ir.Part) -> SearchStrategy[Any]:
    match f:
        case ir.Number():
            return number(catalogue, f)
        case ir.Octets():
            return st.binary(min_size=f.size, max_size=f.size)
        case ir.Blob() | ir.Raw():
            return st.binary(min_size=f.lo, max_size=min(f.hi, f.lo + BYTES))
        case ir.Rows():
            return st.lists(valid(catalogue, f.row), min_size=f.lo, max_size=min(f.hi, f.lo + ROWS))
        case ir.Tlvs():
            return st.lists(tlv(catalogue, catalogue.space[f.space]), max_size=TLVS)
    raise TypeError(f)


def number(catalogue: ir.Catalogue, n: ir.Number) -> SearchStrategy[int]:
    """Legal numbers: any, both limits, and the members of an enumeration."""
    lo, hi = n.bounds
    marked = [lo, hi]
    if n.choices:
        marked += [m.value for m in catalogue.choices[n.choices].members if lo <= m.value <= hi]
    return st.integers(lo, hi) | st.sampled_from(marked)


def tlv(catalogue: ir.Catalogue, space: ir.Space) -> SearchStrategy[tuple[int, Any]]:
    """TLVs of a space, known and unknown."""
    known = [st.tuples(st.just(t.tag), tlv_value(catalogue, t)) for t in space.types]
    tags = {t.tag for t in space.types}
    unknown = st.tuples(st.integers(0, 0xFFFF).filter(lambda tag: tag not in tags), st.binary(max_size=BYTES))
    return st.one_of(*known, unknown)


def tlv_value(catalogue: ir.Catalogue, t: ir.TlvType) -> SearchStrategy[Any]:
    """Values of a known TLV: a number where it is one, else the value of its layout."""
    layout = catalogue.layout[t.layout]
    lone = ir.lone_number(layout)
    return valid(catalogue, layout) if lone is None else number(catalogue, lone)


# ── Values at their limits ───────────────────────────────────────────────────────────────────────────


def boundary(catalogue: ir.Catalogue, layout: Name) -> SearchStrategy[Plain]:
    """Legal values where every field is at a limit; and the default value with one field at a limit, the greatest
    value, the default itself."""
    layout = layout_of(catalogue, layout)
    single = [p.value for p in legal(catalogue, layout) if isinstance(p.value, dict)]
    single += [default(catalogue, layout), maximum(catalogue, layout)]
    return _at_limits(catalogue, layout) | st.sampled_from(single)


def _at_limits(catalogue: ir.Catalogue, layout: ir.Layout) -> SearchStrategy[Plain]:
    parts = ir.fields_of(layout.parts)
    return st.fixed_dictionaries({f.name: _limits(catalogue, f) for f in parts if not _is_const(f)})


def _limits(catalogue: ir.Catalogue, f: ir.Part) -> SearchStrategy[Any]:
    match f:
        case ir.Number():
            return st.sampled_from(_edges(f))
        case ir.Octets():
            return st.sampled_from([bytes(f.size), b"\xff" * f.size])
        case ir.Blob() | ir.Raw():
            return st.sampled_from([bytes(f.lo), b"\xff" * f.hi])
        case ir.Rows():
            return _at_limits(catalogue, catalogue.layout[f.row]).flatmap(
                lambda row: st.sampled_from([[row] * f.lo, [row] * f.hi])
            )
        case ir.Tlvs():
            known = [_tlv_at_limits(catalogue, t) for t in catalogue.space[f.space].types]
            unknown = st.just((UNKNOWN_TAG, b""))
            return st.lists(st.one_of(*known, unknown), max_size=2)
    raise TypeError(f)


def _tlv_at_limits(catalogue: ir.Catalogue, t: ir.TlvType) -> SearchStrategy[tuple[int, Any]]:
    layout = catalogue.layout[t.layout]
    # A value with every list at its longest can be longer than a TLV can say.
    fit = _at_limits(catalogue, layout).filter(lambda value: len(write(catalogue, layout, value)) <= 0xFFFF)
    return st.tuples(st.just(t.tag), fit.map(lambda value: as_tlv(layout, value)))


def _edges(n: ir.Number) -> list[int]:
    lo, hi = n.bounds
    return sorted({lo, min(lo + 1, hi), max(hi - 1, lo), hi})


# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def packets(catalogue: ir.Catalogue, values: Callable[..., SearchStrategy[Plain]] = valid) -> SearchStrategy[bytes]:
    """Whole packets of every type and form, with legal bodies; `values` is `valid` or `boundary`."""
    return st.sampled_from(messages(catalogue)).flatmap(lambda m: _packet(catalogue, *m, values))


def messages(catalogue: ir.Catalogue) -> list[tuple[ir.Packet, Form, str]]:
    """Every packet in every form, each with the name of its layout; and the refusals of requests."""
    found = [(packet, form, layout.name) for packet, form, layout in catalogue.messages()]
    refused = [p for p in catalogue.packets if Form.REQUEST in p.forms and Form.ERROR not in p.forms]
    return found + [(p, Form.ERROR, catalogue.error_layout(p)) for p in refused]


def _packet(
    catalogue: ir.Catalogue, packet: ir.Packet, form: Form, layout: str, values: Callable[..., SearchStrategy[Plain]]
) -> SearchStrategy[bytes]:
    room = catalogue.channel[packet.channel].payload_max
    bodies = values(catalogue, layout).map(lambda value: write(catalogue, catalogue.layout[layout], value))
    return st.builds(
        lambda header, body: write_envelope(
            catalogue, catalogue.envelope["PACKET"], header, body, checksums(catalogue)
        ),
        header(catalogue, packet, form),
        bodies.filter(lambda body: len(body) <= room),
    )


def header(catalogue: ir.Catalogue, packet: ir.Packet, form: Form) -> SearchStrategy[Plain]:
    """Headers of this type and form, with everything else in them free."""
    fixed = header_of(catalogue, packet, form)
    statuses = [s.value for s in catalogue.statuses if s.success is (form is Form.RESPONSE)]
    return st.fixed_dictionaries(
        {name: st.just(value) for name, value in fixed.items()}
        | {"t_ns": st.integers(0, (1 << 64) - 1), "instance": st.integers(0, 15)}
        | ({"status": st.sampled_from(statuses)} if fixed["rsp"] else {})
        | ({"txn": st.integers(1, 0xFFFF)} if fixed["txn"] else {})
    )
