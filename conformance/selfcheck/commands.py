"""`opalink selfcheck`: a thin driver of `selfcheck`.

Plan: the command · what is printed.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from opalink.conformance.commands import Stopped, sentences
from opalink.conformance.sealed.sources import digest
from opalink.conformance.selfcheck import measure as core
from opalink.conformance.selfcheck import mutants_code, run
from opalink.conformance.selfcheck.measure import Depth, Fate, Outcome, Part
from opalink.conformance.selfcheck.run import Terms
from opalink.conformance.verdicts import Exit

# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.option(
    "--part", "parts", type=click.Choice([p.value for p in Part]), multiple=True, help="Only this; repeatable."
)
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Try a sample: every nth.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Of a sample: begin so far in.")
@click.option("--seeds", type=click.IntRange(1), default=200, show_default=True, help="Of legal variation.")
@click.option(
    "--depth",
    type=click.Choice([d.value for d in Depth]),
    default=Depth.CORPUS.value,
    show_default=True,
    help="How many tests a mutant meets before it counts as a survivor.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="out/selfcheck",
    show_default=True,
    help="Where the outcomes are kept; a second run goes on there.",
)
@click.option("--only", default="*", metavar="GLOB", help="Only trials whose ID matches, as 'timer.*' or 'zoo.Mute'.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that share the trials.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON instead of text.")
@click.option("--record", is_flag=True, help="Keep the numbers beside the suite, for `--last`.")
@click.option("--last", is_flag=True, help="Run nothing: print the numbers that were kept, and whether they are stale.")
def selfcheck(
    parts: tuple[str, ...], every: int, start: int, seeds: int, depth: str, out: Path, only: str, jobs: int,
    as_json: bool, record: bool, last: bool,
) -> None:  # fmt: skip
    """Measure the suite: mutants that it must kill, the zoo, and modules that it must not fail.

    The exit code is 1 if fewer than 95 % of the mutants that are not equivalent were killed, if a member of the zoo was
    judged otherwise than it should, or if one that keeps to every rule was failed; of a whole run also if a MUST that
    can be tested has no witness.
    """
    if last:
        with sentences():
            _last(as_json)
        return
    chosen = [Part(p) for p in parts] or list(Part)
    if Part.CODE in chosen and not mutants_code.available():
        raise Stopped("Mutants of code are made by Cosmic Ray: pip install 'opalink[dev]'.", Exit.NOTHING_RAN)
    terms = Terms(Depth(depth), digest(), out)
    trials = run.trials(chosen, every, seeds, start, only)
    if not trials:
        raise Stopped(f"No trial's ID matches {only!r}.", Exit.NOTHING_RAN)
    with sentences():
        outcomes = run.run(trials, terms, _progress, jobs)
        known = list(run.resume(terms).values())
    numbers = {"every": every, "start": start, "only": only, "depth": depth, **core.summary(outcomes, known)}
    with sentences():
        (out / "summary.json").write_text(json.dumps(numbers, indent=1) + "\n")
    if record:
        with sentences():
            core.record(numbers)
    whole = every == 1 and only == "*" and terms.depth is Depth.CORPUS and set(chosen) == set(Part)
    if as_json:
        click.echo(json.dumps(numbers))
    else:
        _print(numbers)
        click.echo(f"The outcomes are in {out / run.LINES}")
    sys.exit(Exit.CONFORMANT if core.good(outcomes, whole) else Exit.NON_CONFORMANT)


def _last(as_json: bool) -> None:
    numbers = core.recorded()
    aged = core.stale(numbers)
    if as_json:
        click.echo(json.dumps({**numbers, "stale": aged}))
        return
    click.echo(f"every {numbers['every']}th from {numbers['start']}, to the depth {numbers['depth']}")
    _print(numbers)
    if aged:
        click.echo(aged)


def _progress(found: Outcome, done: int, total: int) -> None:
    """A line for what a person must look at, a count on a terminal."""
    if found.fate in (Fate.SURVIVED, Fate.SURPRISE, Fate.FAILED):
        click.echo(f"{done}/{total} {found.fate} {found.id} {found.why}", err=True)
    elif sys.stderr.isatty():
        click.echo(f"{done}/{total}\r", nl=False, err=True)


# ── What is printed ──────────────────────────────────────────────────────────────────────────────────


def _print(numbers: dict[str, Any]) -> None:
    m, must, members = numbers["mutants"], numbers["must"], numbers["zoo"]
    survived = len(m["survived"])
    decided = m["killed"] + survived
    rate = f"{100 * m['killed'] / decided:.1f} %" if decided else "none decided"
    click.echo(
        f"mutants: {m['total']} of {m['registered']} tried, {m['equivalent']} proved equivalent, {m['outside']} out of "
        f"every profile; {m['killed']} killed, {survived} survived ({rate})"
    )
    for area, counts in m["areas"].items():
        click.echo(f"  {area}: {counts['killed']} killed, {counts['survived']} survived")
    if numbers["code"]["total"]:
        code = numbers["code"]
        click.echo(f"mutants of code: {code['killed']} of {code['total']} killed, the others are to be looked at")
    zoo = f"{must['zoo_tried']} of {must['zoo_members']} members of the zoo tried"
    click.echo(
        f"MUSTs: {must['witnessed']} of {must['testable']} that can be tested have a witness seen to fail, {zoo}"
    )
    if must["lacking"]:
        click.echo(f"  without one: {', '.join(must['lacking'])}")
    click.echo(f"zoo: {members['as_expected']} of {members['total']} as expected")
    click.echo(f"false failures: {numbers['false_failures']}")
    for surprise in numbers["surprises"]:
        click.echo(f"  {surprise['id']}: {surprise['why']}")
