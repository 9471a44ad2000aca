"""Random schemas: whatever can be declared, construct and the generated scapy layers agree on it.

The inputs are those of `tests.differential`, with what construct says of them. Bytes: the same plain value or the same
refusal, and either way the layer builds the very bytes that it came from. Values: the same bytes, or in the strict mode
a refusal of the same field. The same inputs must kill every planted mistake.

Plan: the generated side · what differs · agreement · planted mistakes.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from scapy.config import conf

from opalink.protocol.errors import EncodeError
from opalink.protocol.generate.scapy.module import one_module
from opalink.protocol.scapy import layers as library
from tests.differential.agreement import BodyCase, Case, FrameCase, ValueCase
from tests.differential.dice import Dice
from tests.differential.random_schemas import random_schema
from tests.differential.reference import Refused
from tests.differential.trial import cases
from tests.scapy_values import Layers, dissected, layer_of

SEEDS, BLOCK = 60, 12

# ── The generated side ───────────────────────────────────────────────────────────────────────────────


def load(source: str) -> dict[str, Any]:
    """The generated layers, as the names of a module."""
    module: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "generated", "exec"), module)  # noqa: S102 (the source was generated here)
    return module


@contextmanager
def strict() -> Iterator[None]:
    conf.contribs["OPAL"]["strict"] = True
    try:
        yield
    finally:
        conf.contribs["OPAL"]["strict"] = False


# ── What differs ─────────────────────────────────────────────────────────────────────────────────────


def differences(found: Iterator[Case], layers: Layers) -> Iterator[str]:
    for case in found:
        for said in _value(case, layers) if isinstance(case, ValueCase) else _bytes(case, layers):
            yield f"{case}: {said}"


def _bytes(case: BodyCase | FrameCase, layers: Layers) -> Iterator[str]:
    name = case.layout.name if isinstance(case, BodyCase) else f"Opal{case.name}"
    expected = case.expected
    if isinstance(expected, Refused):
        expected = (expected.fault, expected.path, expected.offset)
    layer, said = dissected(layers, name, case.data)
    if said != expected:
        yield f"construct says {expected}, the layer {said}"
    elif (back := bytes(layer)) != case.data:
        yield f"the layer rebuilds {back!r}"
    elif layer.fault is None:
        if isinstance(case, BodyCase):
            layer = layer_of(case.catalogue, layers, case.layout, case.expected)
        for name in {"length", "crc"} & layer.fields.keys() if isinstance(case, FrameCase) else ():
            delattr(layer, name)  # to be computed
        if (back := bytes(layer)) != case.data:
            yield f"the value builds {back!r}"


def _value(case: ValueCase, layers: Layers) -> Iterator[str]:
    expected = case.expected
    layer = layer_of(case.catalogue, layers, case.layout, case.value)
    try:
        with strict():
            built: bytes | str = bytes(layer)
    except EncodeError as error:
        built = re.sub(r"_(?=[.[]|$)", "", error.path)  # `name_` is the attribute of a field `name`
        expected = re.sub(r"_(?=[.[]|$)", "", str(expected))
    if built != expected:
        yield f"construct makes {expected!r}, the layer {built!r}"


# ── Agreement ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_the_readings_agree(first: int) -> None:
    for seed in range(first, first + BLOCK):
        dice = Dice.seeded(seed)
        schema = random_schema(dice)
        source = one_module(schema.catalogue)
        found = next(differences(cases(dice, schema, 3), load(source)), None)
        assert not found, f"seed {seed}: {found}\n{schema.text}\n{source}"


@settings(
    max_examples=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(st.data())
def test_the_readings_agree_on_what_hypothesis_thinks_of(data: st.DataObject) -> None:
    dice = Dice.drawn(data.draw)
    schema = random_schema(dice)
    source = one_module(schema.catalogue)
    note(schema.text)
    note(source)
    assert next(differences(cases(dice, schema, 1), load(source)), None) is None


# ── Planted mistakes ─────────────────────────────────────────────────────────────────────────────────

POOL = 60


def changed(group: int, by: int = 1) -> Callable[[re.Match[str]], str]:
    """The match with the number in one group changed."""

    def change(found: re.Match[str]) -> str:
        start, end = found.start(group) - found.start(), found.end(group) - found.start()
        return found[0][:start] + str(int(found[group]) + by) + found[0][end:]

    return change


@dataclass(frozen=True)
class Mutant:
    """What a mistake in the generator, or with `library` in the hand-written part, would have made."""

    name: str
    pattern: str
    by: str | Callable[[re.Match[str]], str]
    library: bool = False

    def layers(self, source: str) -> dict[str, Any] | None:
        """The layers with the mistake in them; None where the mistake cannot be made."""
        if self.library:
            return self._with_library(load(source))
        text, n = re.subn(self.pattern, self.by, source)
        return load(text) if n else None

    def _with_library(self, layers: dict[str, Any]) -> dict[str, Any]:
        """Functions of another library under the same classes, so that what is a layer stays one."""
        text, n = re.subn(self.pattern, self.by, inspect.getsource(library))
        assert n, f"{self.name} applies nowhere"
        wrong = ModuleType("layers")
        exec(compile(text, "layers", "exec"), wrong.__dict__)  # noqa: S102 (our own text, changed here)
        layers |= {"_rows": wrong.rows, "_tlvs": wrong.tlvs}  # which the methods of these classes look up there
        return layers


MUTANTS = (
    # ── Reading ──
    Mutant("big-endian", r"_Packer\('<", "_Packer('>"),
    Mutant("fields of a layer change places", r"(_fields\(_p, \{'\w+': )(\w+)(, '\w+': )(\w+)([,}])", r"\1\4\3\2\5"),
    Mutant("a field is lost", r"(_fields\(_p, \{)'\w+': [^{},]+?(, '|\})", lambda m: m[1] + m[2].lstrip(", ")),
    Mutant("shift of a bit field", r"(_w_\w+) >> (\d+)", changed(2, -1)),
    Mutant("high part of a u24", r"<< 16\)", "<< 15)"),
    Mutant("window of a run", r"(if _e - _o < )(\d+)(:\n {12}raise _run_fault)", changed(2)),
    Mutant("span of a run", r"( {8}_o \+= )(\d+)", changed(2)),
    Mutant("any value", r"if .*:(\n {12}raise _run_fault\(_b, _o, _e, _R_\w+\)\n {8}_o)", r"if False:\1"),
    Mutant("one counted byte less", r"_b\[_o : _o \+ _n\]", "_b[_o : _o + _n - 1]"),
    Mutant("counted bytes that are not there", r"if _e - _o < _n:", "if False:"),
    Mutant("the wrong rows", r"(_rows\(.*?), _n, ", r"\1, _n and _n - 1, "),
    Mutant("the wrong list", r"_tlvs\((.*?), '(\w+)'\)", r"_tlvs(\1, '\2s')"),
    Mutant("left-over bytes of an envelope", r"if _n != _e", "if _n < _e"),
    Mutant("any CRC", r" or crc and ", " or False and "),
    Mutant("another CRC", r'(_b\[_e:\], ")little', r"\1big"),
    Mutant("an error as a response", r'_forms\["error"\]', '_forms["response"]'),
    Mutant("the name of a form", r'"(P\d*)\.(event|request)"', r'"\1"'),
    # ── Building ──
    Mutant("size of a number", r"_Number\(('\w+', -?\d+), 2,", r"_Number(\1, 1,"),
    Mutant("sign of a number", r"_Number\(('\w+', -?\d+, \d), True", r"_Number(\1, False"),
    Mutant("a default", r"_Number\('(?!name)(\w+)', (\d+), 4, False(?!.*const)", changed(2)),
    Mutant("a constant", r"(_Number\('\w+', )(-?\d+)(, \d, \w+.*const)", changed(2, -1)),
    Mutant("width of a bit field", r"(_Bit\('\w+', \d+, )(\d+)", changed(2)),
    Mutant("order of bytes in a word", r"end_tot_size=-[24]\b", "end_tot_size=-1"),
    Mutant("size of a count", r"_Count\(('\w+'), 2,", r"_Count(\1, 1,"),
    Mutant("what is counted", r"_Count\(('\w+', \d), '\w+'\)", lambda m: f"_Count({m[1]}, {m[1].split(',')[0]})"),
    Mutant("a tag", r'(_Enum\("tag", )([1-9]\d*)', changed(2)),
    Mutant("place of the length", r"(_place = )(\d+)", changed(2)),
    Mutant("a payload's size", r"(_size = )(\d+)", changed(2)),
    # ── The hand-written part ──
    Mutant("number of a row", r"\[\{len\(found\)\}\]\"\) from None\n    return", '[0]") from None\n    return', True),
    Mutant("a TLV beyond the window", r"if stop > end:(\n {12}raise short\(f)", r"if False:\1", True),
    Mutant("a TLV header of three bytes", r"while end - at >= 4:", "while end - at > 4:", True),
    Mutant("what is left over in a TLV", r"if last != stop:", "if False:", True),
    Mutant("every tag unknown", r"known\.get\(tag, space\)", "space", True),
)  # fmt: skip


@pytest.fixture(scope="module")
def pool() -> list[tuple[str, str, list[Case]]]:
    made = []
    for seed in range(POOL):
        dice = Dice.seeded(seed)
        schema = random_schema(dice)
        made.append((schema.text, one_module(schema.catalogue), list(cases(dice, schema, 3))))
    return made


def test_the_generator_as_it_is_lives(pool: list[tuple[str, str, list[Case]]]) -> None:
    for text, source, inputs in pool:
        assert next(differences(iter(inputs), load(source)), None) is None, text


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_every_mutant_dies(mutant: Mutant, pool: list[tuple[str, str, list[Case]]]) -> None:
    for _, source, inputs in pool:
        layers = mutant.layers(source)  # it must be a program still, if a wrong one
        try:
            if layers and next(differences(iter(inputs), layers), None):
                return
        except Exception:  # noqa: BLE001 (a layer that crashes is as dead as one that errs)
            return
    pytest.fail(f"{mutant.name} lives")
