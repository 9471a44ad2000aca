"""`opalink review`: a PICS read by itself, before any device is there.

Plan: review.
"""

from pathlib import Path

import click

from opalink.conformance import pics
from opalink.conformance.commands import Stopped, sentences
from opalink.conformance.verdicts import Exit
from opalink.protocol.ir.load import catalogue

# ── Review ───────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("file", metavar="PICS", type=click.Path(dir_okay=False, path_type=Path))
def review(file: Path) -> None:
    """Say whether the declaration PICS is legal, without any device.

    Its features must be those that its profile requires or allows, and what a probe has written in it must agree with
    them. The exit code is 0 if all is right, 5 if there is no such file or nothing in it, and 6 if it is illegal.
    """
    with sentences():
        found = pics.load(file, catalogue())
    problems = [
        *pics.review(found, catalogue()),
        *pics.contradictions(found.features, found.advertised, found.observed),
    ]
    if problems:
        raise Stopped("\n".join(["The PICS is illegal.", *problems]), Exit.PICS)
    profile = f"the profile {found.profile}" if found.profile else "no profile"
    click.echo(f"A legal {found.role} of {profile}, with {len(found.declared)} features.")
