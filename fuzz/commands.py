"""`opalink fuzz run`, `replay` and `minimize`: a thin driver of the core.

    out/fuzz/campaign.json  junit.xml  findings.sarif  findings/SIGNATURE/…  corpus/….case

Plan: faults as exit codes · run · replay · minimize.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from opalink.conformance.bundle.report import printable
from opalink.conformance.commands import Stopped, sentences
from opalink.conformance.verdicts import Exit
from opalink.fuzz.case import Case, text
from opalink.fuzz.findings import Finding
from opalink.fuzz.guide import Campaign, Fuzzer, Limits, load
from opalink.fuzz.player import PATIENCE, Player
from opalink.fuzz.steps import CaseError
from opalink.fuzz.triage import MOST, class_of, minimised

SECONDS: Final = 60.0  # of a campaign that is given no end
_NEWS: Final = 60.0  # seconds from one line about a campaign to the next, where nobody watches

# ── Faults as exit codes ─────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """What goes wrong outside of cases, in one sentence each; a case that is none is a mistake of usage."""
    with sentences():
        try:
            yield
        except CaseError as error:
            raise click.UsageError(printable(str(error))) from None


def _bench(command: Callable[..., None]) -> Callable[..., None]:
    """The options of whatever plays cases."""
    options = (
        click.option("--clock", type=click.Choice(["auto", "virtual", "real"]), default="auto", help="Whose time."),
        click.option(
            "--patience", type=click.FloatRange(0.01, 600), default=PATIENCE, show_default=True,
            help="Seconds of real time that IUT may take over a step before it hangs.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def fuzz() -> None:
    """Attack an implementation with hostile cases: run, replay, minimize."""


# ── Run ──────────────────────────────────────────────────────────────────────────────────────────────


@fuzz.command()
@click.argument("iut")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help=f"How long; {SECONDS:g} unless given.")
@click.option("--executions", type=click.IntRange(1), help="How many cases at most.")
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), default=1, show_default=True, help="Begins the dice.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="out/fuzz", help="What it leaves.")
@_bench
def run(
    iut: str, seconds: float | None, executions: int | None, seed: int, out: Path, clock: Any, patience: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Attack IUT until the time is over, and leave a reproducer of whatever breaks a requirement.

    IUT is a URI: sim:four-thirds, tcp:host:port, stdio:./module, unix:/path, py:package.module:factory.

    What an earlier campaign left in the same folder is taken up: its corpus, and its findings, which are known then.
    The exit code is 0 if nothing was found, 1 for a new finding, 3 if something showed once and not again, 7 if all
    findings were known.
    """
    from opalink.fuzz import report, reproducer

    limits = Limits(seconds if seconds is not None or executions is not None else SECONDS, executions)
    with _sentences():
        out.mkdir(parents=True, exist_ok=True)
        with Player(iut, seed=seed, clock=clock, patience=patience) as player, _bar(as_json, limits) as show:
            fuzzer = Fuzzer(player, seed, out / "corpus")
            campaign = fuzzer.run(limits, reproducer.known(out / "findings"), show)
        for found in campaign.found.values():
            reproducer.bundle(found.confirmed, out / "findings", iut)
        shown = report.as_json(campaign)
        (out / "campaign.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (out / "junit.xml").write_bytes(report.as_junit(campaign))
        (out / "findings.sarif").write_text(report.sarif_text(campaign), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
    else:
        _print(campaign, out)
    sys.exit(report.exit_of(campaign))


@contextlib.contextmanager
def _bar(quiet: bool, limits: Limits) -> Iterator[Callable[[Campaign], None]]:
    """A progress bar on a terminal; elsewhere a line now and then."""
    if quiet or not sys.stderr.isatty():
        yield _Lines().show
        return
    by_time = limits.seconds is not None
    with click.progressbar(length=int(limits.seconds or limits.executions or 1), label="fuzz", file=sys.stderr) as bar:

        def show(c: Campaign) -> None:
            bar.update(int(c.seconds if by_time else c.executions) - bar.pos)

        yield show


class _Lines:
    """How far a campaign is, for whoever looks at a log."""

    def __init__(self) -> None:
        self._next = _NEWS

    def show(self, c: Campaign) -> None:
        if c.seconds >= self._next:
            self._next = c.seconds + _NEWS
            found = f"{len(c.found)} finding{'s' * (len(c.found) != 1)}"
            click.echo(f"opalink: {c.executions} cases in {c.seconds:.0f} s, {found}", err=True)


def _print(campaign: Campaign, out: Path) -> None:
    from opalink.fuzz.reproducer import sentence

    for signature, found in sorted(campaign.found.items()):
        c, f = found.confirmed, found.confirmed.finding
        click.echo(printable(f"{f.requirement}  {sentence(f.requirement)}"))
        click.echo(printable(f"  expected {f.expected}; saw {f.actual}{f' ({f.last})' if f.last else ''}"))
        known = ", known" if found.known else ""
        click.echo(f"  {signature}{known}: {c.case.messages} messages, shown {c.shown} of {c.times} times")
        click.echo(f"  {out / 'findings' / signature / 'case.txt'}\n")
    for finding, _ in campaign.unstable:
        click.echo(printable(f"unstable: {finding.requirement}: expected {finding.expected}; saw {finding.actual}"))
    points = len(campaign.coverage) if campaign.coverage else 0
    rate = campaign.executions / campaign.seconds if campaign.seconds else 0.0
    click.echo(
        f"{campaign.executions} cases in {campaign.seconds:.1f} s ({rate:.0f}/s), {points} points, "
        f"{len(campaign.found)} findings"
    )


# ── Replay ───────────────────────────────────────────────────────────────────────────────────────────


@fuzz.command()
@click.argument("iut")
@click.argument("cases", nargs=-1, required=True, type=click.Path(path_type=Path))
@_bench
def replay(iut: str, cases: tuple[Path, ...], clock: Any, patience: float, as_json: bool) -> None:
    """Play the CASES of files on IUT and say what each shows. The exit code is 1 if one shows anything."""
    with _sentences():
        loaded = [(path, load(path)) for path in cases]
        with Player(iut, clock=clock, patience=patience) as player:
            played = [(path, player.play(case)) for path, case in loaded]
    if as_json:
        shown = [
            {"case": str(path), "stuck": p.stuck, "findings": [_shown(f) for f in p.findings]} for path, p in played
        ]
        click.echo(json.dumps(shown, ensure_ascii=False))
    else:
        for path, p in played:
            click.echo(printable(f"{path}: {f'{len(p.findings)} findings' if p.findings else p.stuck or 'nothing'}"))
            for f in p.findings:
                click.echo(printable(f"  {f.requirement}: expected {f.expected}; saw {f.actual}"))
    if any(p.findings for _, p in played):
        sys.exit(Exit.NON_CONFORMANT)
    sys.exit(Exit.INCONCLUSIVE if any(p.stuck for _, p in played) else Exit.CONFORMANT)


def _shown(f: Finding) -> dict[str, Any]:
    return {name: getattr(f, name) for name in f.__struct_fields__}


# ── Minimize ─────────────────────────────────────────────────────────────────────────────────────────


@fuzz.command()
@click.argument("iut")
@click.argument("case", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; else print it."
)
@click.option("--requirement", default="", help="The one whose violation must stay; the first that shows unless given.")
@click.option("--executions", type=click.IntRange(1), default=MOST, show_default=True, help="How many plays at most.")
@_bench
def minimize(
    iut: str, case: Path, output: Path | None, requirement: str, executions: int, clock: Any, patience: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Make CASE as small as it can be while IUT still breaks the same requirement."""
    with _sentences():
        whole = load(case)
        with Player(iut, clock=clock, patience=patience) as player:
            found = [f for f in player.play(whole).findings if requirement in ("", f.requirement)]
            if not found:
                what = f"nothing of {requirement}" if requirement else "nothing"
                raise Stopped(f"{case} shows {what} here.", Exit.INCONCLUSIVE)
            small = minimised(player.play, whole, class_of(found[0]), executions)
        _written(small, whole, found[0], output, as_json=as_json)


def _written(small: Case, whole: Case, finding: Finding, output: Path | None, *, as_json: bool) -> None:
    if output is not None:
        output.write_text(text(small), encoding="utf-8")
    if as_json:
        shown = {"requirement": finding.requirement, "messages": small.messages, "case": text(small)}
        click.echo(json.dumps(shown, ensure_ascii=False))
    elif output is None:
        click.echo(text(small), nl=False)
    else:
        click.echo(
            printable(f"{finding.requirement}: {whole.messages} messages have become {small.messages}: {output}")
        )
