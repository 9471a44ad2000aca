"""A trial: one schema, many inputs, every difference.

Plan: inputs for a body · for a packet · for an envelope · cases and differences · the count.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel
from opalink.protocol.ir.write import Plain, checksums, header_of, write, write_envelope
from opalink.spec import dialect as d
from opalink.spec.form import Form
from tests.differential import mutations, reference
from tests.differential.agreement import BodyCase, Case, FrameCase, Module, ValueCase
from tests.differential.dice import Dice
from tests.differential.random_schemas import Schema
from tests.differential.reference import Refused

Change = Callable[[Dice, ir.Part, Any], Any]

# ── Inputs ───────────────────────────────────────────────────────────────────────────────────────────


def body_inputs(dice: Dice, catalogue: ir.Catalogue, layout: ir.Layout, effort: int) -> Iterator[bytes]:
    """Nothing; then legal bytes, and for each of them a violation, a lie and some damage."""
    yield b""
    last = b"\0\0\0\0"
    for _ in range(effort):
        value = mutations.legal(dice, catalogue, layout)
        data = write(catalogue, layout, value)
        yield data
        for change in (mutations.illegal_in, mutations.lie_in):
            yield write(catalogue, layout, changed(dice, catalogue, layout, value, change))
        for _ in range(3):
            yield mutations.damaged(dice, data, last)
        last = data


def changed(dice: Dice, catalogue: ir.Catalogue, layout: ir.Layout, value: Plain, change: Change) -> Plain:
    """The value with one of its parts changed, if `change` can change any."""
    value = deepcopy(value)
    found = list(mutations.places(catalogue, layout, value))
    while found:
        part, now, put = found.pop(dice.between(0, len(found) - 1))
        new = change(dice, part, now)
        if new is not None:
            put(new)
            break
    return value


def _in_a_value(change: Change) -> Change:
    """The same, but for constants: those are in no value class."""
    return lambda dice, part, now: None if getattr(part, "const", None) is not None else change(dice, part, now)


def packet_inputs(dice: Dice, catalogue: ir.Catalogue, packet: ir.Packet, form: Form, body: bytes) -> Iterator[bytes]:
    """A packet around a body, with any header; damaged; and damaged with its CRC repaired."""
    envelope, sums = catalogue.envelope["PACKET"], checksums(catalogue)
    header = header_of(catalogue, packet, form)
    for _ in range(dice.pick((0, 0, 1, 2))):
        f = dice.pick([f for f in ir.fields_of(envelope.header) if isinstance(f, ir.Number)])
        header[f.name] = dice.near(*f.span)
    if dice.once_in(3):
        of = dice.pick(([s for s in catalogue.statuses if s.success], catalogue.statuses))
        header |= {"rsp": 1, "status": dice.pick(of).value}
    data = write_envelope(catalogue, envelope, header, body, sums)
    yield from framed(dice, data, sums["crc32c"], 4)


def envelope_inputs(dice: Dice, catalogue: ir.Catalogue, envelope: ir.Envelope, effort: int) -> Iterator[bytes]:
    """The same for an envelope; and with a header that is illegal in one field."""
    sums = checksums(catalogue)
    header = ir.Layout(envelope.name, "", envelope.header)
    length = next((f for f in ir.fields_of(envelope.header) if f.name == "length"), None)
    width = next((c.width // 8 for c in catalogue.crcs if c.name == envelope.crc), 0)
    for _ in range(effort):
        value = mutations.legal(dice, catalogue, header)
        value.pop("length", None)
        lo, hi = length.bounds if isinstance(length, ir.Number) else (envelope.size or 0, envelope.size or 0)
        payload = dice.octets(dice.pick((lo, min(hi, lo + 20), max(0, lo - 1), min(hi, 1100) + 1)))
        data = write_envelope(catalogue, envelope, value, payload, sums)
        yield from framed(dice, data, sums.get(envelope.crc), width)
        broken = changed(dice, catalogue, header, value | {"length": len(payload)}, mutations.illegal_in)
        yield write_envelope(catalogue, envelope, broken, payload, sums)


def framed(dice: Dice, data: bytes, crc: Callable[[bytes], int] | None, width: int) -> Iterator[bytes]:
    """An envelope, and damaged, and damaged with its CRC repaired."""
    yield data
    for _ in range(2):
        worse = mutations.damaged(dice, data, data)
        yield worse
        if crc:
            yield worse[:-width] + crc(worse[:-width]).to_bytes(width, "little")


# ── Cases and differences ────────────────────────────────────────────────────────────────────────────


def read_envelope(envelope: d.Envelope, data: bytes, *, crc: bool = True) -> Any:
    found = reference.read_envelope(envelope, data, crc=crc)
    return found if isinstance(found, Refused) else found[0] | {"payload": found[1]}


def cases(dice: Dice, schema: Schema, effort: int) -> Iterator[Case]:
    """Everything that the dice try on a schema."""
    catalogue, declared = schema.catalogue, schema.declared
    for packet, form, body in schema.bodies():
        layout = catalogue.layout[packet.forms[form]]
        for data in body_inputs(dice, catalogue, layout, effort):
            yield BodyCase(catalogue, layout, body.schema, data)
        yield ValueCase(catalogue, layout, body.schema, {})  # the defaults
        for change in (None, mutations.illegal_in, mutations.unencodable):
            value = mutations.legal(dice, catalogue, layout)
            if change:
                value = changed(dice, catalogue, layout, value, _in_a_value(change))
            yield ValueCase(catalogue, layout, body.schema, value)
        legal = mutations.legal(dice, catalogue, layout)
        broken = (changed(dice, catalogue, layout, legal, mutations.illegal_in) for _ in range(effort))
        for value in (legal, *broken):
            for whole in packet_inputs(dice, catalogue, packet, form, write(catalogue, layout, value)):
                yield FrameCase("Packet", partial(reference.read_packet, declared), whole, True)
    for envelope in declared.ENVELOPES[1:]:
        name, read = camel(envelope.name), partial(read_envelope, envelope)
        for data in envelope_inputs(dice, catalogue, catalogue.envelope[envelope.name], effort):
            yield FrameCase(name, read, data, envelope.crc is not None)


def differences(found: Iterator[Case], module: Module) -> Iterator[str]:
    """What differs, case by case."""
    return (f"{case}: {said}" for case in found for said in case.differences(module))


def counted(found: Iterator[Case], count: "Counter[str]") -> Iterator[Case]:
    """The cases; each is counted by what construct says of it."""
    for case in found:
        count["inputs"] += 1
        match case.expected:
            case Refused() as refused:
                count[refused.fault.value] += 1
            case str():
                count["unencodable"] += 1
            case _:
                count["accepted"] += 1
        yield case
