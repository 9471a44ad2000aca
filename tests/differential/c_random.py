"""Random schemas in C, many in one program: `python -m tests.differential.c_random --batches 10`.

For each schema the Python codec, which construct judges elsewhere, says what has to come of every input: bodies,
packets and envelopes, legal and damaged, and values to encode, legal and with one violation.

Plan: values for C · trials · judging · the run.
"""

import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from opalink.protocol.errors import DecodeError, EncodeError
from opalink.protocol.generate.c import files
from opalink.protocol.generate.c.codec import span_of
from opalink.protocol.generate.c.names import capacity
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel
from opalink.protocol.ir.write import Plain, write, write_tlv
from tests.differential import mutations
from tests.differential.agreement import Module, load, made, plain
from tests.differential.c_driver import ROOM, Driver, Request, Said, build, program, refused
from tests.differential.c_reflection import Target, flats, targets
from tests.differential.dice import Dice
from tests.differential.random_schemas import Schema, random_schema
from tests.differential.trial import body_inputs, changed, envelope_inputs, packet_inputs

_COUNT = struct.Struct("<I")

# ── Values for C ─────────────────────────────────────────────────────────────────────────────────────


def taken(c: ir.Catalogue, layout: ir.Layout, value: Plain) -> bytes:
    """A plain value in the form that the driver's encoders take: as it gives them, but for TLVs, which are bytes."""
    return b"".join(_taken(c, f, value[f.name]) for f in ir.fields_of(layout.parts) if f.name in value)


def _taken(c: ir.Catalogue, f: ir.Part, found: Any) -> bytes:
    match f:
        case ir.Number():
            return int(found & (1 << 64) - 1).to_bytes(8, "little")
        case ir.Octets():
            return bytes(found)
        case ir.Rows():
            return _COUNT.pack(len(found)) + b"".join(taken(c, c.layout[f.row], x) for x in found)
        case ir.Tlvs():
            found = b"".join(write_tlv(c, c.space[f.space], *tlv) for tlv in found)
    return _COUNT.pack(len(found)) + bytes(found)


def in_a_struct(change: Callable[..., Any]) -> Callable[..., Any]:
    """A change that a member of a struct can hold."""

    def changes(dice: Dice, part: ir.Part, now: Any) -> Any:
        if isinstance(part, ir.Octets) or getattr(part, "const", None) is not None:
            return None
        new = change(dice, part, now)
        if isinstance(part, ir.Number) and new is not None:
            lo, hi = span_of(part.bits, part.signed)
            return new if lo <= new <= hi else None
        return new

    return changes


def inside_tlv(c: ir.Catalogue, layout: ir.Layout, path: str) -> bool:
    """Whether a path goes through a TLV: C is given those as bytes, in which no number can be too wide."""
    parts = layout.parts
    for step in path.split("."):
        f = next((f for f in ir.fields_of(parts) if f.name == step.partition("[")[0]), None)
        if not isinstance(f, ir.Rows):
            return isinstance(f, ir.Tlvs)
        parts = c.layout[f.row].parts
    return False


def capacities(c: ir.Catalogue) -> dict[tuple[str, str], int]:
    """Room for the lists that the trials make, but for few; a random schema may ask for 65535 in each."""
    return {
        (x.name, p.name): max(1, min(p.hi, 320 if c.sizes[p.row][1] < 9 else 12))
        for x in c.layouts
        for p in x.parts
        if isinstance(p, ir.Rows)
    }


def crowded(c: ir.Catalogue, layout: ir.Layout, value: Plain) -> bool:
    """Whether a value has a list for which C was given no room."""
    for f in ir.fields_of(layout.parts):
        match f:
            case ir.Rows():
                rows = value[f.name]
                if len(rows) > capacities(c)[layout.name, f.name]:
                    return True
                if any(crowded(c, c.layout[f.row], x) for x in rows):
                    return True
    return False


# ── Trials ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Trial:
    """An input for a target, and what has to come of it; `room` where there may be too little."""

    target: int
    data: bytes
    want: bytes
    room: bool = False


class Trials:
    """A schema with its inputs."""

    def __init__(self, seed: int, effort: int) -> None:
        self.seed = seed
        self.dice = Dice.seeded(seed)
        self.schema: Schema = random_schema(self.dice)
        self.c = self.schema.catalogue
        self.module: Module = load(self.schema.source)
        self.flat = flats(self.c)
        self.index = {t: i for i, t in enumerate(targets(self.c))}
        self.all = list(self._all(effort))

    @cached_property
    def files(self) -> dict[str, bytes]:
        return files(self.c)

    @property
    def capacities(self) -> str:
        return "\n".join(f"#define {capacity(*key)} {n}u" for key, n in capacities(self.c).items())

    def _all(self, effort: int) -> Iterator[Trial]:
        for packet, form, _ in self.schema.bodies():
            layout = self.c.layout[packet.forms[form]]
            for data in body_inputs(self.dice, self.c, layout, effort):
                yield self._body(layout, data)
            for change in (None, mutations.illegal_in, mutations.unencodable, mutations.illegal_in):
                value = mutations.legal(self.dice, self.c, layout)
                if change:
                    value = changed(self.dice, self.c, layout, value, in_a_struct(change))
                if trial := self._value(layout, value, wide=change is mutations.unencodable):
                    yield trial
            body = write(self.c, layout, mutations.legal(self.dice, self.c, layout))
            for data in packet_inputs(self.dice, self.c, packet, form, body):
                yield from (self._packet(data, crc=True), self._packet(data, crc=False))
        for e in self.c.envelopes[1:]:
            for data in envelope_inputs(self.dice, self.c, e, effort):
                yield self._envelope(e, data, crc=True)
                if e.crc:
                    yield self._envelope(e, data, crc=False)

    def _body(self, layout: ir.Layout, data: bytes) -> Trial:
        target = self.index[Target("decode", layout.name)]
        try:
            value = self.module[f"decode_{layout.name}"](data, 0, len(data))
        except DecodeError as error:
            return Trial(target, data, refused(error.fault, error.path, error.offset))
        return Trial(target, data, b"\0" + self.flat[layout.name](value), crowded(self.c, layout, plain(value)))

    def _value(self, layout: ir.Layout, value: Plain, *, wide: bool) -> Trial | None:
        target, data = self.index[Target("encode", layout.name)], taken(self.c, layout, value)
        room = crowded(self.c, layout, value)
        try:
            want = b"\0" + self.module[f"encode_{layout.name}"](made(self.c, self.module, layout, value))
        except EncodeError as error:
            if wide and inside_tlv(self.c, layout, error.path):
                return None
            want = b"?" + error.path.encode()  # Python's encoder has no classes
        return Trial(target, data, want, room)

    def _packet(self, data: bytes, *, crc: bool) -> Trial:
        target = self.index[Target("envelope" if crc else "bare", "Packet")]
        try:
            v = self.module["decode_Packet"](data, crc=crc)
        except DecodeError as error:
            return Trial(target, data, refused(error.fault, error.path, error.offset))
        succeeded = v.status in [s.value for s in self.c.statuses if s.success]
        place = (1 if succeeded else 2) if v.rsp else (0 if v.txn else 3)
        head = b"\0" + self.flat["Packet"](v) + (v.type << 2 | place).to_bytes(2, "little")
        if isinstance(v.body, bytes):
            return Trial(target, data, head + _COUNT.pack(len(v.body)) + v.body)
        name = type(v.body).__name__
        return Trial(target, data, head + self.flat[name](v.body), crowded(self.c, self.c.layout[name], plain(v.body)))

    def _envelope(self, e: ir.Envelope, data: bytes, *, crc: bool) -> Trial:
        name = camel(e.name)
        target = self.index[Target("envelope" if crc else "bare", name)]
        try:
            v = self.module[f"decode_{name}"](data, **({"crc": crc} if e.crc else {}))
        except DecodeError as error:
            return Trial(target, data, refused(error.fault, error.path, error.offset))
        return Trial(target, data, b"\0" + self.flat[name](v) + _COUNT.pack(len(v.payload)) + bytes(v.payload))


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────


def source(pool: Sequence[Trials], change: Callable[[str], str] = str) -> str:
    """One program around the codecs of many schemas; `change` may spoil them."""
    codecs = [(t.c, {name: change(data.decode()).encode() for name, data in t.files.items()}) for t in pool]
    return program(codecs, [t.capacities for t in pool])


def differences(driver: Driver, pool: Sequence[Trials], count: "Counter[str] | None" = None) -> Iterator[str]:
    """Whatever C makes other than it has to."""
    first = 0
    for t in pool:
        requests: list[Request] = [(first + x.target, x.data) for x in t.all]
        for trial, found in zip(t.all, driver.ask(requests), strict=True):
            if count is not None:
                count["inputs"] += 1
                count["accepted" if trial.want[:1] == b"\0" else "refused"] += 1
            if not _same(trial, found):
                what = list(t.index)[trial.target]
                yield f"seed {t.seed}, {what}, {trial.data.hex()}: {Said(trial.want)} became {Said(found)}"
        first += len(t.index)


def _same(trial: Trial, found: bytes) -> bool:
    if trial.room and found[:1] == bytes([ROOM]):
        return True
    if trial.want[:1] == b"?":
        return found[:1] != b"\0" and found[0] != ROOM and found[5:] == trial.want[1:]
    return found == trial.want


# ── The run ──────────────────────────────────────────────────────────────────────────────────────────


@click.command(help=__doc__)
@click.option("--batches", default=4, show_default=True, help="How many programs.")
@click.option("--schemas", default=50, show_default=True, help="Schemas in each.")
@click.option("--seed", default=1000, show_default=True, help="Seed of the first schema.")
@click.option("--effort", default=6, show_default=True, help="Legal values for each body; each makes six inputs.")
def main(batches: int, schemas: int, seed: int, effort: int) -> None:
    count: Counter[str] = Counter()
    wrong = 0
    for first in range(seed, seed + batches * schemas, schemas):
        pool = [Trials(i, effort) for i in range(first, first + schemas)]
        with tempfile.TemporaryDirectory() as folder, Driver(build(source(pool), Path(folder))) as driver:
            for said in differences(driver, pool, count):
                wrong += 1
                click.echo(said[:2000])
        click.echo(f"{first + schemas - seed} schemas, {dict(count)}, {wrong} differences")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
