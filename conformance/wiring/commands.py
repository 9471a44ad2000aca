"""`opalink smoke` and `opalink explain`: what to ask before a campaign, and after it.

Plan: smoke · explain.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
import msgspec

from opalink.conformance.bundle.report import printable
from opalink.conformance.commands import sentences
from opalink.conformance.verdicts import Exit

# ── Smoke ────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("iut")
@click.option("--clock", type=click.Choice(["auto", "virtual", "real"]), default="auto", help="Whose time holds.")
@click.option(
    "--patience", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds for one answer."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def smoke(iut: str, clock: Any, patience: float, as_json: bool) -> None:
    """Say whether IUT is wired right, before anyone blames a module.

    Opens it, greets it, sets its clock, has it attached, exchanges one greeting, takes it away and brings it back. The
    first check that fails is the last: it says what is wrong and what to try. The exit code is 0 if all is right, and 4
    if something between the tester and the implementation is not.
    """
    from opalink.conformance.wiring.smoke import smoke as check

    with sentences():
        found = check(iut, clock, patience)
    if as_json:
        checks = msgspec.to_builtins(found.checks)
        click.echo(json.dumps({"uri": iut, "ok": found.ok, "checks": checks}, indent=1))
    else:
        for x in found.checks:
            mark = "–" if not x.made else "ok" if x.ok else "WRONG"
            click.echo(printable(f"{mark:<6}{x.name:<11} {x.found}"))
            if x.advice:
                click.echo(printable(f"{'':<18}{x.advice}"))
    sys.exit(Exit.CONFORMANT if found.ok else Exit.TESTER_FAULT)


# ── Explain ──────────────────────────────────────────────────────────────────────────────────────────

_LISTED = 12  # tests that a terminal is shown; --json has all


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def explain(name: str, as_json: bool) -> None:
    """Say what the requirement or the test NAME is, what shows it, and where it stands in the document.

    NAME is an ID such as R-PWR-014, or that of a test as a report gives it.
    """
    from opalink.conformance.explain import ExplainedRequirement, Unknown
    from opalink.conformance.explain import explain as found

    try:
        what = found(name)
    except Unknown as unknown:
        raise click.UsageError(printable(str(unknown))) from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(what), ensure_ascii=False, indent=1))
        return
    for line in _requirement(what) if isinstance(what, ExplainedRequirement) else _test(what):
        click.echo(line)


def _requirement(r: Any) -> Iterator[str]:
    yield f"{r.id}  {r.text}"
    yield ""
    yield from _told("level", f"{r.level}, of {'both sides' if r.role == 'both' else f'the {r.role}'}; {r.kind}")
    yield from _told("applies", " or ".join(map(_need, r.applies)) or "always")
    yield from _told("packet", f"{r.packet}: {r.about}" if r.packet else "")
    yield from _told("follows from", f"the layout: {r.follows_from}" if r.follows_from else "")
    yield from _told("source", r.source)
    yield from _several("why", r.why)
    yield from _told("machines", ", ".join(r.machines))
    yield from _told("judged", r.judged)
    yield from _told("not judged", f"on every bench: {r.reason}" if r.reason else "")
    yield from _several("tests", r.tests)
    yield from _several("witnesses", [f"{w.name}: {w.doc}" for w in r.witnesses])
    yield from _told("mutants", f"{r.mutants} in the registry are mistakes where it is cited" if r.mutants else "")
    yield from _told("document", r.document)


def _test(t: Any) -> Iterator[str]:
    yield f"{t.id}  {t.sentence}"
    yield ""
    yield from _told("class", f"{t.class_}, of the {t.role}")
    yield from _several("shows", [f"{r.id} ({r.level}) {r.text}" for r in t.requirements])
    yield from _told("applies", " and ".join(map(_need, t.needs)) or "always")
    yield from _told("suffering", t.suffering)
    yield from _told("standing", t.standing)
    yield from _told("premise", f"the status {t.premise} was answered" if t.premise else "")
    yield from _told(
        "run", f"under the plan {t.plan} and those above, at level {t.level}, on the planes {_or(t.planes)}"
    )
    yield from _told("operations", ", ".join(t.operations))
    yield from _told("time", "virtual time alone" if t.virtual else "")
    yield from _told("state", t.state)
    yield from _told("stimulus", f"opalink decode {t.stimulus}" if t.stimulus else "")
    yield from _told("expected", t.expected)
    yield from _several("witnesses", [f"{w.name}: {w.doc}" for w in t.witnesses])
    yield from _told("command", t.command)
    yield from _told("document", t.document)


def _told(head: str, words: str) -> Iterator[str]:
    if words:
        yield f"{head:<13}{words}"


def _several(head: str, lines: Iterable[str]) -> Iterator[str]:
    some = list(lines)
    for i, line in enumerate(some[:_LISTED]):
        yield f"{'' if i else head:<13}{line}"
    if len(some) > _LISTED:
        yield f"{'':<13}and {len(some) - _LISTED} more"
    if not some:
        yield f"{head:<13}none"


def _need(word: str) -> str:
    said = word.lstrip("!").replace("|", " or ")
    return f"without {said}" if word.startswith("!") else f"with {said}"


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)
