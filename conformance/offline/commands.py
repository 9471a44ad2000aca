"""`opalink judge`: what is wrong with a recorded session.

Plan: the command · the first screen.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from opalink.conformance.bundle.report import printable
from opalink.conformance.commands import Stopped, sentences
from opalink.conformance.papers import pics
from opalink.conformance.verdicts import Exit
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

_SHOWN: Final = 10  # findings that a terminal is shown; --json has all
_SECOND: Final = 1_000_000_000

# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("file")
@click.option("--role", type=click.Choice(["module", "phone", "both"]), default="both", help="Whom to judge.")
@click.option("--iut", type=click.Choice(["module", "phone"]), help="What the IUT of a campaign's recording is.")
@click.option(
    "--pics",
    "statement",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What its vendor declares of an implementation; else it is what that says of itself.",
)
@click.option(
    "--complete",
    is_flag=True,
    help="It begins with the contacts open and nothing is missing: judge it as if it happened now.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def judge(file: str, role: str, iut: str | None, statement: Path | None, complete: bool, as_json: bool) -> None:
    """Say what is wrong with the session in the recording FILE, or - for standard input.

    FILE may be written capture:FILE, as where an implementation stands.

    A recording may begin in the middle and have holes. What a packet breaks all by itself is a failure, whatever is
    missing, and so is an answer that no state gives which its side may have been in. What is wrong only if nothing is
    missing is open, and a failure with --complete; a recording that shows itself that something is missing stays open.
    What a tester sent is not judged.

    The exit code is 0 if nothing wrong was seen, 1 for a failure, 3 if something is open, and 5 if there was nothing to
    judge.
    """
    from opalink.conformance.offline.judge import Outcome
    from opalink.conformance.offline.judge import judge as judged
    from opalink.protocol.capture.pcapng import CaptureError

    codes = {
        Outcome.CLEAN: Exit.CONFORMANT,
        Outcome.FAIL: Exit.NON_CONFORMANT,
        Outcome.OPEN: Exit.INCONCLUSIVE,
        Outcome.NOTHING: Exit.NOTHING_RAN,
    }
    known, file = catalogue(), file.removeprefix("capture:")
    roles = (Role.PHONE, Role.MODULE) if role == "both" else (Role(role),)
    with sentences():
        declared = _declared(statement)
        try:
            with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
                found = judged(
                    stream, known, roles, complete=complete, features=declared, iut=Role(iut) if iut else None
                )
        except CaptureError as error:
            raise Stopped(str(error), Exit.USAGE) from None
        except (ValueError, IsADirectoryError) as error:
            raise Stopped(f"{file!r} cannot be read: {getattr(error, 'strerror', error)}.", Exit.NOTHING_RAN) from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=1))
    else:
        for line in _told(found):
            click.echo(printable(line))
    sys.exit(codes[found.verdict])


def _declared(statement: Path | None) -> dict[Role, frozenset[str]]:
    """The features that a PICS declares, by the role that it is of."""
    if statement is None:
        return {}
    found = pics.load(statement, catalogue())
    return {Role(found.role): found.declared}


# ── The first screen ─────────────────────────────────────────────────────────────────────────────────


def _told(j: Any) -> Iterator[str]:
    """The verdict, the earliest cause, the rest, what is open, what is missing, and what was seen to be kept."""
    yield f"{j.verdict.upper()}" + (" (judged as complete)" if j.complete else "")
    if j.cause is not None:
        yield ""
        yield from _cause(j.cause)
    yield from _listed("more that is wrong", j.findings[1:])
    yield from _listed("not kept that SHOULD be", j.warnings)
    yield from _listed("wrong if nothing is missing (--complete)", j.open)
    if j.missing:
        yield ""
        yield f"missing, as far as it shows ({j.missing:,} times):"
        yield from (f"  {hole}" for hole in j.holes[:_SHOWN])
    yield ""
    heard = ", ".join(f"{n:,} packets of the {role}" for role, n in j.packets.items())
    yield f"judged: {heard}" + (f"; {j.noise:,} FLITs were damaged on their way" if j.noise else "")
    for role, kept in j.kept.items():
        areas = Counter(requirement.split("-")[1] for requirement in kept)
        yield f"kept by the {role}: {len(kept)} requirements" + (
            f" ({', '.join(f'{area} {n}' for area, n in sorted(areas.items()))})" if kept else ""
        )


def _cause(f: Any) -> Iterator[str]:
    yield f"{f.requirement}  {f.sentence}"
    yield f"  the {f.role}, frame {f.number:,} at {f.time / _SECOND:.9f} s{f', {f.packet}' if f.packet else ''}"
    yield f"  expected {f.expected}; saw {f.actual}"
    yield f"  in Wireshark: {f.filter}"


def _listed(head: str, findings: list[Any]) -> Iterator[str]:
    if not findings:
        return
    yield ""
    yield f"{head}:"
    for f in findings[:_SHOWN]:
        times = f", {f.count:,} times" if f.count > 1 else ""
        yield f"  {f.requirement}  frame {f.number:,}, the {f.role}{times}: expected {f.expected}; saw {f.actual}"
    if len(findings) > _SHOWN:
        yield f"  and {len(findings) - _SHOWN} more; --json has all"
