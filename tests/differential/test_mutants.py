"""The trials notice every planted mistake, and only those.

One pool of inputs judges the generator as it is and the generator with each mistake, so that a mutant dies of its
mistake and of nothing else.
"""

import pytest

from tests.differential.agreement import Case, load
from tests.differential.dice import Dice
from tests.differential.mutants import MUTANTS, Mutant
from tests.differential.random_schemas import Schema, random_schema
from tests.differential.trial import cases, differences

Pool = list[tuple[Schema, list[Case]]]

SEEDS = 80


@pytest.fixture(scope="module")
def pool() -> Pool:
    made = []
    for seed in range(SEEDS):
        dice = Dice.seeded(seed)
        schema = random_schema(dice)
        made.append((schema, list(cases(dice, schema, 3))))
    return made


def death(mutant: Mutant, pool: Pool) -> str:
    """What the trials say of a mutant; nothing if it lives."""
    for schema, inputs in pool:
        module = mutant.module(schema.source)  # it must be a program still, if a wrong one
        try:
            found = next(differences(iter(inputs), module), None) if module else None
        except Exception as error:  # noqa: BLE001 (a codec that crashes is as dead as one that errs)
            found = f"{type(error).__name__}: {error}"
        if found:
            return found
    return ""


def test_the_generator_as_it_is_lives(pool: Pool) -> None:
    for schema, inputs in pool:
        assert next(differences(iter(inputs), load(schema.source)), None) is None, schema.text


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_every_mutant_dies(mutant: Mutant, pool: Pool) -> None:
    assert death(mutant, pool), f"{mutant.name} lives"


def test_they_are_many_and_different() -> None:
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 60
