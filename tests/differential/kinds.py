"""Every kind of node × every back end, and what a node says × every back end: what each takes into account.

A back end that knows a kind says the field's name in what it makes. One that takes what a node says (its width, its
bounds, what it may hold) into account makes something else when that changes. A new back end is tried by itself.

Plan: back ends · kinds · what nodes say.
"""

from functools import cache

from opalink.protocol.generate.registry import BACKENDS, Backend, Files
from opalink.protocol.ir import model as ir
from tests.differential.random_schemas import Schema

# ── Back ends ────────────────────────────────────────────────────────────────────────────────────────

# Those that are not made of layouts, and of what they are.
OTHERS = {"picture": "chapters, packets and machines, as one drawing", "promela": "machines"}
LAYOUTS = [b for b in BACKENDS.values() if b.name not in OTHERS]

DECLARATIONS = """
CHOICE = enum("Choice", "An enumeration.", ONE=(1, "One."), TWO=(2, "Two."))
SIGNS = flags("Signs", "Flags.", FIRST=(0, "The first."))
ROW = row("Leg", "A row.", f("hoof", u16, "A number."))
SPACE = Space("stripes", "A space.")
SPACE.prop(7, "black", u16, "A property.")
SPACE.record(8, "white", "A record.", f("length", u16, "A number."), f("width", u8, "Another."))
OTHER = Space("spots", "Another space.")
OTHER.prop(7, "brown", u16, "A property.")
FEATURES = flags("Feature", "Features.", LASER=(0, "Light."))
GROUP = Group("main", "MAIN", "CONTROL", "The only one.")
"""


@cache
def catalogue(body: str, envelope: str = "") -> ir.Catalogue:
    """The smallest catalogue with a packet of this body."""
    text = f'{DECLARATIONS}GROUP.packet(1, "HERD", "A packet.", sender=Role.BOTH, event=body({body}))\n'
    return Schema(text + (f'ENVELOPE = envelope("E_X", "An envelope.", {envelope})\n' if envelope else "")).catalogue


def made(backend: Backend, found: ir.Catalogue) -> Files:
    """What a back end makes, but for the catalogue's fingerprint, in which everything is."""
    return {n: x.replace(found.fingerprint.encode(), b"") for n, x in backend.make(found).items()}


# ── Kinds ────────────────────────────────────────────────────────────────────────────────────────────

KINDS: dict[type, str] = {
    ir.Number: 'f("zebra", u16, "A number.")',
    ir.Bits: 'bits("word", f("zebra", 3, "Bits."), f("other", 5, "Bits."))',
    ir.Octets: 'f("zebra", octets(5), "Octets.")',
    ir.Blob: 'blob("zebra", "Bytes.", hi=9)',
    ir.Raw: 'raw("zebra", "Raw data.", hi=9)',
    ir.Rows: 'rows("zebra", ROW, "Rows.", hi=4)',
    ir.Tlvs: 'tlvs("zebra", SPACE, "TLVs.")',
}


def lacking(backend: Backend) -> set[type]:
    """The kinds that a back end does not know."""
    return {kind for kind, text in KINDS.items() if not any(b"zebra" in x.lower() for x in _tried(backend, text))}


def _tried(backend: Backend, text: str) -> list[bytes]:
    try:
        return list(made(backend, catalogue(text)).values())
    except Exception:  # noqa: BLE001 (however it stumbles, it does not know the kind)
        return []


# ── What nodes say ───────────────────────────────────────────────────────────────────────────────────

NUMBER = 'f("zebra", u16, "A number.")'
SAYINGS: dict[str, tuple[str, str]] = {
    **{f"width {w}": (NUMBER, f'f("zebra", {w}, "A number.")') for w in ("u8", "u24", "u32", "u64")},
    **{f"sign {w}": (f'f("zebra", u{w}, "A number.")', f'f("zebra", i{w}, "A number.")') for w in (8, 16, 32, 64)},
    "lo": (NUMBER, 'f("zebra", u16, "A number.", lo=1)'),
    "hi": (NUMBER, 'f("zebra", u16, "A number.", hi=500)'),
    "const": (NUMBER, 'f("zebra", u16, "A number.", const=0)'),
    "const's value": ('f("zebra", u16, "A number.", const=3)', 'f("zebra", u16, "A number.", const=4)'),
    "choices": (NUMBER, 'f("zebra", u16, "A number.", choices=CHOICE)'),
    "flags": (NUMBER, 'f("zebra", u16, "A number.", flags=SIGNS)'),
    "size of a word": (KINDS[ir.Bits], 'bits("word", f("zebra", 3, "Bits."), f("other", 13, "Bits."))'),
    "widths in a word": (KINDS[ir.Bits], 'bits("word", f("zebra", 4, "Bits."), f("other", 4, "Bits."))'),
    "hi in a word": (KINDS[ir.Bits], 'bits("word", f("zebra", 3, "Bits.", hi=5), f("other", 5, "Bits."))'),
    "choices in a word": (KINDS[ir.Bits], 'bits("word", f("zebra", 3, "Bits.", choices=CHOICE), f("other", 5, "B."))'),
    "number of octets": (KINDS[ir.Octets], 'f("zebra", octets(6), "Octets.")'),
    "lo of bytes": (KINDS[ir.Blob], 'blob("zebra", "Bytes.", hi=9, lo=1)'),
    "hi of bytes": (KINDS[ir.Blob], 'blob("zebra", "Bytes.", hi=10)'),
    "count of bytes": (KINDS[ir.Blob], 'blob("zebra", "Bytes.", hi=9, count=u16)'),
    "lo of raw data": (KINDS[ir.Raw], 'raw("zebra", "Raw data.", hi=9, lo=1)'),
    "hi of raw data": (KINDS[ir.Raw], 'raw("zebra", "Raw data.", hi=10)'),
    "lo of rows": (KINDS[ir.Rows], 'rows("zebra", ROW, "Rows.", hi=4, lo=1)'),
    "hi of rows": (KINDS[ir.Rows], 'rows("zebra", ROW, "Rows.", hi=5)'),
    "count of rows": (KINDS[ir.Rows], 'rows("zebra", ROW, "Rows.", hi=4, count=u16)'),
    "space of TLVs": (KINDS[ir.Tlvs], 'tlvs("zebra", OTHER, "TLVs.")'),
    "order": (f'{NUMBER}, f("yak", u8, "A number.")', f'f("yak", u8, "A number."), {NUMBER}'),
}
ENVELOPE = f'{NUMBER}, f("length", u16, "Bytes of payload.")'
ENVELOPES: dict[str, tuple[str, str]] = {
    "header": (ENVELOPE, ENVELOPE.replace("u16", "u8", 1)),
    "length": (ENVELOPE, ENVELOPE.replace('"length", u16', '"length", u32')),
    "greatest length": (ENVELOPE, ENVELOPE.replace('payload."', 'payload.", hi=40')),
    "size": (f"{NUMBER}, size=16", f"{NUMBER}, size=17"),
    "CRC": (ENVELOPE, f"{ENVELOPE}, crc=wire.CRC16"),
    "which CRC": (f"{ENVELOPE}, crc=wire.CRC32C", f"{ENVELOPE}, crc=wire.CRC16"),
}


def deaf(backend: Backend) -> set[str]:
    """What a back end does not take into account."""
    found = {x for x, (a, b) in SAYINGS.items() if made(backend, catalogue(a)) == made(backend, catalogue(b))}
    around = {
        f"{x} of an envelope"
        for x, (a, b) in ENVELOPES.items()
        if made(backend, catalogue(NUMBER, a)) == made(backend, catalogue(NUMBER, b))
    }
    return found | around
