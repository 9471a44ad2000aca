"""`opalink explore` and `opalink replay`: a thin driver of the core.

Plan: explore · replay.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opalink.conformance.bundle.report import printable
from opalink.conformance.commands import Stopped, sentences
from opalink.conformance.exploration.table import explorable
from opalink.conformance.papers.pixit import PATIENCE
from opalink.conformance.verdicts import Exit, Verdict
from opalink.protocol.ir.load import catalogue

if TYPE_CHECKING:
    from opalink.conformance.exploration.explore import Explored

_SEED = click.IntRange(0, (1 << 64) - 1)
_clock = click.option(
    "--clock", type=click.Choice(["auto", "virtual", "real"]), default="auto", help="Whose time holds."
)
_patience = click.option(
    "--patience", type=click.FloatRange(0.01, 600), default=PATIENCE, show_default=True,
    help="Seconds of real time that IUT may take over a step before it hangs.",
)  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

# ── Explore ──────────────────────────────────────────────────────────────────────────────────────────


def _hexadecimal(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        return bytes.fromhex(value).hex()
    except ValueError:
        raise click.BadParameter("it is not hexadecimal: two digits for each byte.") from None


@click.command()
@click.argument("iut")
@click.option("--machine", "machines", multiple=True, help="Explore this one; may be given more than once. Else all.")
@click.option("--examples", type=click.IntRange(1), help="Examples of each machine; 100 unless anything is given.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="How long for each machine, about.")
@click.option("--seed", type=_SEED, default=1, show_default=True, help="Begins whatever is drawn at random.")
@click.option("--nonce", default="", callback=_hexadecimal, help="What a laboratory draws: it enters every seed.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="out/explore", help="What it leaves.")
@_clock
@_patience
@_json
def explore(
    iut: str, machines: tuple[str, ...], examples: int | None, seconds: float | None, seed: int, nonce: str, out: Path,
    clock: Any, patience: float, as_json: bool,
) -> None:  # fmt: skip
    """Explore the module IUT beyond the locked corpus: its machines, one by one, along examples drawn at random.

    What breaks a requirement is made smaller and left as OUT/counterexamples/MACHINE-DIGEST.pcapng, which `opalink
    replay` performs again. The same seed and nonce draw the same examples with the same version of Hypothesis.

    The exit code is 0 if nothing was found, 1 if something was, 3 if what was found did not show again or no example
    came to the point, 5 if IUT has none of the machines.
    """
    known = explorable(catalogue())
    chosen = [name.upper() for name in machines] or list(known)
    if unknown := [name for name in chosen if name not in known]:
        raise click.UsageError(printable(f"A module has no machine {unknown[0]}; known are {', '.join(known)}."))
    with sentences(), _hypothesis():
        from opalink.conformance.exploration.explore import EXAMPLES, Explorer, exit_of
        from opalink.conformance.exploration.session import Meeting

        examples = EXAMPLES if examples is None and seconds is None else examples
        explored = []
        with Meeting(iut, seed=seed, clock=clock, patience=patience) as meeting:
            explorer = Explorer(meeting, out, seed=seed, nonce=nonce)
            for done, name in enumerate(chosen, 1):
                if not as_json and sys.stderr.isatty():
                    click.echo(f"explore: {name}, {done} of {len(chosen)}", err=True)
                explored.append(explorer.explore(name, examples, seconds))
                if not as_json:
                    _tell(explored[-1])
    if as_json:
        shown = {"iut": iut, "seed": seed, "nonce": nonce, "machines": [_as_json(x) for x in explored]}
        click.echo(json.dumps(shown, ensure_ascii=False))
    sys.exit(exit_of(explored))


@contextlib.contextmanager
def _hypothesis() -> Iterator[None]:
    """Hypothesis is optional, and its absence one sentence."""
    try:
        yield
    except ImportError as missing:
        if "hypothesis" not in f"{missing} {missing.name}".lower():
            raise
        raise Stopped("Exploring needs Hypothesis: pip install 'opalink[pytest]'.", Exit.TESTER_FAULT) from None


def _tell(x: "Explored") -> None:
    """A line for a machine, and what was found in it."""
    click.echo(
        printable(f"{x.verdict.upper():<7}{x.machine:<9} {x.examples} examples{_given_up(x)}  {x.reason}".rstrip())
    )
    for f in x.failures:
        click.echo(printable(f"  {f.finding}"))
        click.echo(printable(f"  {f.file}{'' if f.again else ', not shown again'}"))


def _given_up(x: "Explored") -> str:
    given_up = sum(x.stuck.values())
    return f", {given_up} given up" if given_up and x.verdict is not Verdict.NA else ""


def _as_json(x: "Explored") -> dict[str, Any]:
    failures = [
        {
            "requirement": f.finding.requirement, "oracle": f.finding.oracle, "expected": f.finding.expected,
            "actual": f.finding.actual, "file": f.file, "again": f.again,
        }
        for f in x.failures
    ]  # fmt: skip
    return {
        "machine": x.machine, "verdict": x.verdict.value, "reason": x.reason, "examples": x.examples,
        "stuck": x.stuck, "sent": x.sent, "failures": failures,
    }  # fmt: skip


# ── Replay ───────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("iut")
@_clock
@_patience
@_json
def replay(file: Path, iut: str, clock: Any, patience: float, as_json: bool) -> None:
    """Perform the tester's side of the counterexample FILE again, on IUT.

    The exit code is 0 if nothing is wrong any more, and 1 if a requirement is broken: by the same failure, or by
    another one, which it says. It is 3 if the exchange could not be performed to its end.
    """
    from opalink.conformance.conclusions import Conclusive
    from opalink.conformance.exploration.replay import NotACounterexample, perform, read
    from opalink.conformance.exploration.session import Meeting

    with sentences():
        try:
            found = read(file)
        except NotACounterexample as error:
            raise Stopped(str(error), Exit.USAGE) from None
        with Meeting(iut, clock=clock, patience=patience) as meeting:
            try:
                findings = perform(meeting, found)
            except Conclusive as why:
                raise Stopped(f"It could not be performed to its end: {why}", Exit.INCONCLUSIVE) from None
    said = list(dict.fromkeys(map(str, findings)))
    same = found.sentence in said
    if as_json:
        click.echo(json.dumps({"file": str(file), "iut": iut, "same": same, "failures": said}, ensure_ascii=False))
    elif same:
        click.echo(printable(found.sentence))
    elif said:
        click.echo(printable(f"Another failure than the recorded one: {said[0]}"))
    else:
        click.echo("Nothing is wrong: what was recorded does not show.")
    sys.exit(Exit.NON_CONFORMANT if said else Exit.CONFORMANT)
