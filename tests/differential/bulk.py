"""A reading beside construct's, for as long as you like.

Random schemas: `python -m tests.differential.bulk --seconds 600`. Every schema comes from a seed of its own, so a
difference can be had again with `--seed N --schemas 1`; the text of its schema is written out. With `--packets N` it is
the real catalogue instead, and packets as `tests.differential.c` makes them. Exit 1 where there was a difference.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from opalink.protocol.ir.load import catalogue
from tests.differential import c as packets_for_c
from tests.differential import ours
from tests.differential.agreement import Case, FrameCase
from tests.differential.dice import Dice
from tests.differential.random_schemas import random_schema
from tests.differential.readings import READINGS
from tests.differential.trial import cases, counted

SHOWN = 20  # differences of packets, after which it stops


@click.command(help=__doc__)
@click.option("--reading", type=click.Choice(list(READINGS)), default="python", show_default=True, help="Whose.")
@click.option("--seconds", default=60.0, show_default=True, help="Stop after so long, unless there is a number.")
@click.option("--schemas", default=0, help="Stop after so many schemas; 0: none.")
@click.option("--packets", default=0, help="So many packets of the real catalogue, and no random schemas.")
@click.option("--seed", default=0, show_default=True, help="Seed of the first schema, or of the packets.")
@click.option("--effort", default=6, show_default=True, help="Legal values for each body; each makes six inputs.")
@click.option("--out", default="out/differential", show_default=True, type=click.Path(path_type=Path))
def main(reading: str, seconds: float, schemas: int, packets: int, seed: int, effort: int, out: Path) -> None:
    count: Counter[str] = Counter()
    begun = said = time.monotonic()
    if packets:
        for trouble in islice(_live(reading, packets, seed, count), SHOWN):
            count["differences"] += 1
            click.echo(trouble[:2000])
    while not packets and (count["schemas"] < schemas if schemas else time.monotonic() - begun < seconds):
        count["schemas"] += 1
        if trouble := tried(reading, seed, effort, count):
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


def tried(reading: str, seed: int, effort: int, count: "Counter[str]") -> str:
    """The first difference with its schema, or nothing."""
    dice = Dice.seeded(seed)
    schema = random_schema(dice)
    try:
        judge = READINGS[reading](schema.catalogue)
        first = next(judge(counted(cases(dice, schema, effort), count)), "")
    except Exception as error:  # noqa: BLE001 (whatever it is, the seed must be told and the rest go on)
        first = f"{type(error).__name__}: {error}"
    return f"{first}\n\n{schema.text}" if first else ""


def _live(reading: str, packets: int, seed: int, count: "Counter[str]") -> Iterator[str]:
    c = catalogue()
    made = (data for _, data in islice(packets_for_c.inputs(c, seed), packets))
    found: Iterator[Case] = (FrameCase("Packet", ours.read_packet, data, True) for data in made)
    return READINGS[reading](c)(counted(found, count))


def _line(count: "Counter[str]", seconds: float) -> str:
    schemas = f"{count['schemas']} schemas, " if count["schemas"] else ""
    total = f"{seconds:.0f} s: {schemas}{count['inputs']} inputs, {count['differences']} differences"
    return total + "".join(
        f", {k} {n}" for k, n in sorted(count.items()) if k not in ("schemas", "inputs", "differences")
    )


if __name__ == "__main__":
    main()
