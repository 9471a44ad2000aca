"""Random schemas for as long as you like: `python -m tests.differential.bulk --seconds 600`.

Every schema comes from a seed of its own, so a difference can be had again with `--seed N --schemas 1`; the text of
its schema and the generated codec are written out. Exit 1 where there was a difference.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import click

from tests.differential.agreement import load
from tests.differential.dice import Dice
from tests.differential.random_schemas import random_schema
from tests.differential.trial import cases, differences


@click.command(help=__doc__)
@click.option("--seconds", default=60.0, show_default=True, help="Stop after so long.")
@click.option("--schemas", default=0, help="Stop after so many schemas; 0: none.")
@click.option("--seed", default=0, show_default=True, help="Seed of the first schema.")
@click.option("--effort", default=6, show_default=True, help="Legal values for each body; each makes six inputs.")
@click.option("--out", default="out/differential", show_default=True, type=click.Path(path_type=Path))
def main(seconds: float, schemas: int, seed: int, effort: int, out: Path) -> None:
    count: Counter[str] = Counter()
    begun = said = time.monotonic()
    while time.monotonic() - begun < seconds and not (schemas and count["schemas"] >= schemas):
        count["schemas"] += 1
        if trouble := tried(seed, effort, count):
            count["differences"] += 1
            out.mkdir(parents=True, exist_ok=True)
            (out / f"seed-{seed}.txt").write_text(trouble, encoding="utf-8")
            click.echo(f"seed {seed}: {trouble.splitlines()[0][:300]}")
        seed += 1
        if time.monotonic() - said > 10:
            said = time.monotonic()
            click.echo(_line(count, said - begun))
    click.echo(_line(count, time.monotonic() - begun))
    sys.exit(1 if count["differences"] else 0)


def tried(seed: int, effort: int, count: "Counter[str]") -> str:
    """The first difference with its schema and its codec, or nothing."""
    dice = Dice.seeded(seed)
    schema = random_schema(dice)
    source = ""
    try:
        source = schema.source
        first = next(differences(cases(dice, schema, effort), load(source), count), "")
    except Exception as error:  # noqa: BLE001 (whatever it is, the seed must be told and the rest go on)
        first = f"{type(error).__name__}: {error}"
    return f"{first}\n\n{schema.text}\n\n{source}" if first else ""


def _line(count: "Counter[str]", seconds: float) -> str:
    total = f"{seconds:.0f} s: {count['schemas']} schemas, {count['inputs']} inputs, {count['differences']} differences"
    return total + "".join(
        f", {k} {n}" for k, n in sorted(count.items()) if k not in ("schemas", "inputs", "differences")
    )


if __name__ == "__main__":
    main()
