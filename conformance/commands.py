"""`opalink certify` and `opalink probe`: a thin driver of the core.

Plan: faults as exit codes · certify · what is printed · probe.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import structs

from opalink.conformance.bundle.against import changes, earlier
from opalink.conformance.bundle.against import sentences as differences
from opalink.conformance.bundle.report import left_out, printable, replay
from opalink.conformance.bundle.results import Campaign, Environment, Result
from opalink.conformance.campaign import begin
from opalink.conformance.levels import Reach
from opalink.conformance.papers import pics, pixit
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.papers.pixit import Attached
from opalink.conformance.planes import CHOICES
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options, Progress, Runner
from opalink.conformance.selection import BadExpression, select
from opalink.conformance.verdicts import EXITS, Exit, Verdict
from opalink.conformance.wiring.diagnosis import ending
from opalink.conformance.wiring.probe import picture
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import BenchError, Closed, Unassisted, UriError
from opalink.spec.form import Role

DEFAULT = "sim:four-thirds"
_SHOWN = 20  # failures that a terminal is shown; the report has all

# ── Faults as exit codes ─────────────────────────────────────────────────────────────────────────────


class Stopped(click.ClickException):
    """Ends a command with one sentence and an exit code of the table."""

    def __init__(self, text: str, code: Exit) -> None:
        super().__init__(printable(text))
        self.exit_code = int(code)  # type: ignore[misc] # click reads it from the instance


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """What goes wrong outside the tests, in one sentence each."""
    try:
        yield
    except (UriError, BadExpression) as error:
        raise click.UsageError(printable(str(error))) from None
    except DocumentError as error:
        raise Stopped(str(error), error.exit) from None
    except Closed as error:
        raise Stopped(f"{error} {ending(error)}.", Exit.TESTER_FAULT) from None
    except (BenchError, Unassisted) as error:
        raise Stopped(str(error), Exit.TESTER_FAULT) from None
    except FileNotFoundError as error:
        raise Stopped(f"There is no {error.filename}.", Exit.NOTHING_RAN) from None
    except OSError as error:
        raise Stopped(f"{error.filename or 'The output'}: {error.strerror or error}.", Exit.TESTER_FAULT) from None


# ── Certify ──────────────────────────────────────────────────────────────────────────────────────────


def _nonce(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value and not re.fullmatch("([0-9a-fA-F]{2}){8,64}", value):
        raise click.BadParameter("it is 8 to 64 bytes in hexadecimal.")
    return value.lower()


@click.command()
@click.argument("iut", required=False)
@click.option("--plan", type=click.Choice([p.value for p in Plan]), default=Plan.CI.value, help="How much is run.")
@click.option(
    "--level",
    type=click.Choice([x.value for x in Reach]),
    help="The level that must be reached; by default as far as the bench reaches, under the plan cert all.",
)
@click.option(
    "--role", type=click.Choice(["module", "phone"]), help="What IUT must be; what it says of itself unless given."
)
@click.option("--profile", default="", help="The profile to judge it by; what it says of itself unless given.")
@click.option("--pics", "statement", type=click.Path(dir_okay=False, path_type=Path), help="What the vendor declares.")
@click.option(
    "--pixit", "attached", type=click.Path(dir_okay=False, path_type=Path), help="How IUT is attached to its bench."
)
@click.option(
    "--waivers", type=click.Path(dir_okay=False, path_type=Path), help="Failures that are known, with a bug each."
)
@click.option("-k", "selection", default="", help="Run only what matches: words with and, or, not and brackets.")
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), default=1, help="Begins whatever is drawn at random.")
@click.option("--nonce", default="", callback=_nonce, metavar="HEX", help="What a laboratory draws: 8 to 64 bytes.")
@click.option("--clock", type=click.Choice(["auto", "virtual", "real"]), default="auto", help="Whose time holds.")
@click.option(
    "--plane",
    type=click.Choice(CHOICES),
    help="Where IUT is met: over packets, over FLITs, or on both; by default wherever it offers.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="out/certify", help="The bundle.")
@click.option(
    "--against", type=click.Path(file_okay=False, path_type=Path), help="An earlier bundle: say what has changed since."
)
@click.option("--resume", is_flag=True, help="Go on with the campaign in real time that was cut off there.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of text.")
def certify(
    iut: str | None,
    plan: str,
    level: str | None,
    role: str | None,
    profile: str,
    statement: Path | None,
    attached: Path | None,
    waivers: Path | None,
    selection: str,
    seed: int,
    nonce: str,
    clock: Any,
    plane: Any,
    out: Path,
    against: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Judge the implementation IUT and leave a bundle of evidence.

    IUT is a URI: sim:four-thirds, tcp:host:port, stdio:./module, unix:/path, serial:/dev/ttyUSB0?baud=921600, pty:,
    cabi:./module.so, py:package.module:factory. `opalink smoke IUT` says whether it is wired right.

    \b
    Levels, by the operations of the upper tester that IUT offers:
      L1  none: packets alone
      L2  attach, detach, lane_down, lane_up: removal
      L3  every other that its features call for: surroundings

    A phone is judged by what a tester's module sees of it: so far over packets, in the states that one can bring it to.
    A test of a higher level, or of another plane than the one chosen, is not run, is named with the reason, and counts
    for nothing. The exit code is 0 if
    everything that was run at the level has passed and nothing of it was left out.
    """
    from opalink.conformance.bundle.evidence import RESULTS, bundle, fresh_tape, tee
    from opalink.conformance.bundle.journal import journal
    from opalink.conformance.bundle.report import to_json
    from opalink.conformance.pace import estimate
    from opalink.conformance.sealed.order import order_of
    from opalink.conformance.sealed.recorded import Taped
    from opalink.conformance.sealed.tape import recording

    if profile and profile not in catalogue().profile:
        raise click.UsageError(f"There is no profile {profile!r}; known are {', '.join(catalogue().profile)}.")
    reach = Reach(level) if level else None
    holder = Role(role) if role else None
    started = datetime.now(UTC)
    with sentences():
        extra = pixit.load(attached) if attached else None
        before = earlier(against) if against else None
        how = extra.iut if extra else Attached(DEFAULT)
        if clock == "auto":
            clock = "real" if plan == Plan.BENCH else how.clock
        options = Options(
            Plan(plan), profile, statement, selection, seed, clock,
            plane or how.plane, level=reach, patience=how.patience, role=holder, waivers=waivers, pixit=extra,
            nonce=nonce, day=started.date(),
        )  # fmt: skip
        uri = iut or how.uri
        order = order_of(uri, options)
        out.mkdir(parents=True, exist_ok=True)
        with (
            journal(out, order, resume=resume) as kept,
            (out / RESULTS).open("wb") as stream,
            recording(fresh_tape(out, resume=resume)) as tape,
            bar(as_json) as show,
            begin(Taped.onto(tape, uri), options) as certification,
        ):
            chosen = select(certification.runner.role, options.plan, selection)
            if words := estimate(certification.runner, chosen):
                click.echo(words, err=True)
            campaign = certification.run(chosen, tee(stream, show), kept)
        campaign = structs.replace(campaign, environment=Environment.since(started, "opalink"))
        if before is not None:
            campaign = structs.replace(campaign, changes=changes(before, campaign.results))
        bundle(campaign, out, order)
    if as_json:
        click.echo(to_json(campaign))
    else:
        _print(campaign, out)
    sys.exit(EXITS[campaign.verdict])


@contextlib.contextmanager
def bar(quiet: bool, label: str = "certify") -> Iterator[Progress]:
    """A progress bar on a terminal; elsewhere nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda _result, _done, _total: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as shown:

        def progress(_: Result, done: int, total: int) -> None:
            shown.length = total
            shown.update(done - shown.pos)

        yield progress


# ── What is printed ──────────────────────────────────────────────────────────────────────────────────


def _print(c: Campaign, out: Path) -> None:
    """The verdict, the failures with the requirement's sentence first, and where the evidence is."""
    sentences = {r.id: r.text for r in c.coverage.requirements}
    wrong = [r for r in c.results if not r.waived and r.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONC)]
    for result in wrong[:_SHOWN]:
        for line in _failure(c, result, sentences):
            click.echo(printable(line))
        click.echo()
    if len(wrong) > _SHOWN:
        click.echo(f"… and {len(wrong) - _SHOWN} more in the report.\n")
    for result in c.results:
        if result.waived:
            click.echo(printable(f"waived by {result.waived}: {result.verdict.upper()} {result.id}"))
    for warning in c.warnings:
        click.echo(printable(f"warning: {warning}"))
    for words in (*left_out(c), *(differences(c.changes) if c.changes else ())):
        click.echo(printable(words))
    counts = ", ".join(f"{n} {name}" for name, n in c.summary.items() if n)
    name = printable(c.bound.product or c.bound.name or c.iut)
    click.echo(f"{name}: {c.verdict.upper()}{f' at level {c.level}' if c.level else ''} ({counts or 'no tests'})")
    if c.reason:
        click.echo(printable(c.reason))
    click.echo(f"The report is {out / 'report.html'}")


def _failure(c: Campaign, result: Result, sentences: dict[str, str]) -> Iterator[str]:
    for requirement in result.charged or result.requirements[:1]:
        yield f"{requirement}  {sentences.get(requirement, '')}"
    yield f"  {result.verdict.upper()} {result.id}"
    if result.expected:
        yield f"  expected {result.expected}; saw {result.actual}"
    if result.reason:
        yield f"  {result.reason}"
    yield f"  {replay(c, result)}"


# ── Probe ────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("iut", default=DEFAULT)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; else print it."
)
@click.option(
    "--pixit", "attached", type=click.Path(dir_okay=False, path_type=Path), help="Where to write how it is attached."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def probe(iut: str, output: Path | None, attached: Path | None, as_json: bool) -> None:
    """Write the PICS of IUT from what it shows, for its vendor to correct.

    [features] is what the vendor declares: certify holds the implementation to it. [advertised] is what it says of
    itself in HELLO, [observed] what it answered when each feature was tried.
    """
    with sentences():
        runner = Runner(iut, Options(), catalogue())
        try:
            bound, observed = runner.probe()
        finally:
            runner.close()
        if not runner.known.reached:
            raise Stopped("No session could be opened: `opalink certify` says why.", Exit.INCONCLUSIVE)
        found = picture(catalogue(), bound, runner.known, observed)
        if as_json:
            click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False))
        elif output is None or str(output) == "-":
            click.echo(printable(pics.write(found)), nl=False)
        else:
            output.write_text(pics.write(found))
            click.echo(f"Wrote {output}.")
        if attached is not None:
            attached.write_text(pixit.write(iut, bound))
            click.echo(f"Wrote {attached}.", err=as_json)
        contradictions = pics.contradictions(found.features, found.advertised, found.observed)
    if contradictions:
        raise Stopped(" ".join(contradictions), Exit.PICS)
