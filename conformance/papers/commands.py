"""`opalink review`: a PICS, and a PIXIT, read by themselves, before any device is there.

Plan: review.
"""

from pathlib import Path

import click

from opalink.conformance.bundle.report import printable
from opalink.conformance.commands import Stopped, sentences
from opalink.conformance.papers import pics, pixit
from opalink.conformance.verdicts import Exit
from opalink.protocol.ir.load import catalogue

# ── Review ───────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("file", metavar="PICS", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--pixit", "attached", type=click.Path(dir_okay=False, path_type=Path), help="How it is attached to its bench."
)
def review(file: Path, attached: Path | None) -> None:
    """Say whether the declaration PICS is legal, without any device.

    Its features must be those that its profile requires or allows, and what a probe has written in it must agree with
    them; of a PIXIT, the URI must name a kind that there is, and its programs must be on this machine. The exit code is
    0 if all is right, 5 if there is no such file or nothing in it, 6 if the PICS is illegal, and 2 for the PIXIT.
    """
    with sentences():
        found = pics.load(file, catalogue())
        how = pixit.load(attached) if attached else None
    problems = [
        *pics.review(found, catalogue()),
        *pics.contradictions(found.features, found.advertised, found.observed),
    ]
    if problems:
        raise Stopped("\n".join(["The PICS is illegal.", *problems]), Exit.PICS)
    profile = f"the profile {found.profile}" if found.profile else "no profile"
    click.echo(f"A legal {found.role} of {profile}, with {len(found.declared)} features.")
    if how is not None:
        helped = ", ".join(how.operations) or "nothing"
        click.echo(printable(f"It is at {how.iut.uri}; from outside is done: {helped}."))
