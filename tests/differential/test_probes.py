"""The probes: a legal one is accepted, an illegal one violates what it says and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import Probe, illegal, legal, maximum
from opalink.protocol.ir.write import Raw, default, write
from tests.differential import ours, reference
from tests.differential.agreement import Module, decoded, load, made, plain
from tests.differential.dice import Dice
from tests.differential.random_schemas import Schema, random_schema
from tests.differential.reference import Refused

RANDOM = [random_schema(Dice.seeded(seed)) for seed in range(500, 524)]
MOST = 0xFFFF


def layouts_of(schema: Schema) -> Iterator[tuple[ir.Layout, Any]]:
    for packet, form, body in schema.bodies():
        yield schema.catalogue.layout[packet.forms[form]], body.schema


def judged(c: ir.Catalogue, module: Module, layout: ir.Layout, schema: Any) -> None:
    names: set[tuple[bool, str]] = set()
    for probe in [*legal(c, layout), *illegal(c, layout)]:
        assert (bool(probe.fault), probe.name) not in names, f"two probes are called {probe.name}"
        names.add((bool(probe.fault), probe.name))
        data = write(c, layout, probe.value)
        if len(data) > MOST:
            continue
        (_, found), expected = (
            decoded(module[f"decode_{layout.name}"], data, 0, len(data)),
            reference.read(schema, data),
        )
        assert found == expected, probe.name
        if probe.fault:
            refused_as_it_says(probe, found)
        else:
            assert not isinstance(probe.value, Raw)
            assert found == probe.value, probe.name
        assert probe.restored is not None
        restored = write(c, layout, probe.restored)
        assert reference.read(schema, restored) == probe.restored, probe.name


def refused_as_it_says(probe: Probe, found: Any) -> None:
    assert isinstance(found, Refused), probe.name
    assert (found.fault, found.path) == (probe.fault, probe.path), probe.name


@pytest.mark.parametrize("name", sorted(ours.schemas()))
def test_probes_of_the_catalogue(name: str) -> None:
    judged(catalogue(), ours.module(), *ours.schemas()[name])


@pytest.mark.parametrize("schema", RANDOM, ids=range(500, 524))
def test_probes_of_random_schemas(schema: Schema) -> None:
    module = load(schema.source)
    for layout, body in layouts_of(schema):
        judged(schema.catalogue, module, layout, body)


@pytest.mark.parametrize("schema", RANDOM, ids=range(500, 524))
def test_extremes_of_random_schemas(schema: Schema) -> None:
    module, c = load(schema.source), schema.catalogue
    for layout, body in layouts_of(schema):
        small, large = default(c, layout), maximum(c, layout, 4096)
        for value in (small, large):
            assert reference.read(body, write(c, layout, value)) == value
        assert plain(module[layout.name]()) == small == plain(made(c, module, layout, {}))
        assert len(write(c, layout, small)) <= len(write(c, layout, large)) <= max(4096, c.sizes[layout.name][0])
