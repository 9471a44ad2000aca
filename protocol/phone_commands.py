"""`opalink phone`: our phone, with a module of ours or of anybody's.

Plan: the group · shoot · watch · rehearse · serve · what can go wrong.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from opalink import __version__

_DEFAULT: Final = "sim:four-thirds"
_SECOND: Final = 1_000_000_000
_GLANCE: Final = 100_000_000  # ns between two pictures of a live view


class PhoneError(click.ClickException):
    """The picture could not be taken: nothing is wrong with how it was asked for."""

    exit_code = 1


class BenchFaultError(click.ClickException):
    exit_code = 4


class MissingError(click.ClickException):
    exit_code = 5


@click.group()
def phone() -> None:
    """Our phone: attach a module, take a picture, watch the link."""


@phone.command()
@click.argument("iut", default=_DEFAULT)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The negative, a DNG.")
@click.option("--preview", type=click.Path(dir_okay=False, path_type=Path), help="A small developed picture, a PNG.")
@click.option("--scene", type=click.Path(dir_okay=False, path_type=Path), help="Picture before a sim: module's lens.")
@click.option("--mode", type=int, help="Number of the sensor mode; the maker's favourite otherwise.")
@click.option("--scenario", metavar="FILE", help="What happens to the link: a TOML file, or the name of a bundled one.")
@click.option("--capture", type=click.Path(dir_okay=False, path_type=Path), help="Record every packet as pcapng.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True, help="Of noise and of whatever is drawn.")
@click.option(
    "--root",
    "roots",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="A maker's root certificate, PEM or DER: what leads to it is genuine. May be given again.",
)
def shoot(
    iut: str,
    out: Path,
    preview: Path | None,
    scene: Path | None,
    mode: int | None,
    scenario: str | None,
    capture: Path | None,
    seed: int,
    roots: tuple[Path, ...],
) -> None:
    """Take a still with the module IUT and write it as DNG.

    The module is put on, powered, read, asked for one still and let go again. A sim: module runs in this process and
    photographs --scene, or a cup of coffee; anything else photographs what it sees. With --scenario the packets travel
    as FLITs over a link to which the scenario happens.
    """
    from opalink.protocol.picture.formats import PictureError

    shooting = _shooting()
    with _failures(), ExitStack() as stack:
        session = stack.enter_context(shooting.session(iut, scene=scene, scenario=scenario, seed=seed, roots=roots))
        if capture is not None:
            session.record(stack.enter_context(capture.open("wb")), f"opalink {__version__}")
        begun = time.perf_counter()
        with click.progressbar(length=100, label="Shooting", show_eta=False) as bar:
            for percent in session.shoot(mode):
                bar.update(percent - bar.pos)
        try:
            session.write(out, preview)
        except PictureError as error:
            raise PhoneError(f"The picture cannot be written: {error}.") from None
        for line in session.told(time.perf_counter() - begun):
            click.echo(line)


@phone.command()
@click.argument("iut", default=_DEFAULT)
@click.option("--scenario", metavar="FILE", help="What happens to the link: a TOML file, or the name of a bundled one.")
@click.option("--seconds", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True, help="Of link time.")
@click.option("--speed", type=click.FloatRange(0.001, 1000), default=1.0, show_default=True, help="Link time to yours.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True)
def watch(iut: str, scenario: str | None, seconds: float, speed: float, seed: int) -> None:
    """Show how things go between our phone and the module IUT while its camera is open.

    On a terminal a view that keeps itself up to date; elsewhere a line a second.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from opalink.protocol import watching

    shooting = _shooting()

    def view(m: watching.Moment) -> Table:
        table = Table("", "", show_header=False, title=iut, caption="\n".join(m.last), caption_justify="left")
        for name, value in watching.rows(m):
            table.add_row(name, value)
        return table

    console = Console()
    with _failures(), ExitStack() as stack:
        session = stack.enter_context(shooting.session(iut, scenario=scenario, seed=seed))
        eye = watching.Watch(session.meeting, session.gateway)
        session.phone.user.open()
        session.meeting.put_on()
        live = stack.enter_context(Live(view(eye.moment()), console=console)) if console.is_terminal else None
        step = _GLANCE if live else _SECOND
        begun = time.monotonic()
        while session.meeting.now < seconds * _SECOND:
            session.meeting.run(session.meeting.now + step)
            time.sleep(max(0, begun + session.meeting.now / _SECOND / speed - time.monotonic()))
            moment = eye.moment()
            if live:
                live.update(view(moment))
            else:
                click.echo(watching.line(moment))


@phone.command()
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1)
@click.option("--seed", type=click.IntRange(0, (1 << 63) - 1), help="In place of each scenario's own.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the table as Markdown too.")
def rehearse(scenarios: tuple[str, ...], seed: int | None, as_json: bool, out: Path | None) -> None:
    """Live through each SCENARIO with our phone and our module, and compare what came of it with what it expects.

    A SCENARIO is a TOML file or the name of a bundled one; without any, all of those. Time is virtual: the same seed
    gives the same table everywhere. The exit code is 1 if anything that was expected did not come.
    """
    import msgspec

    from opalink.protocol.channel import ScenarioError, bundled, load
    from opalink.protocol.rehearsed import HEAD, cells, complaints, markdown, row

    rows = []
    try:
        loaded = [(name, load(name)) for name in scenarios or bundled()]
        with click.progressbar(loaded, label="Rehearsing", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            for name, scenario in bar:
                rows.append(row(name, scenario, seed))
        if out is not None:
            out.write_text(markdown(rows), "utf-8")
    except ScenarioError as error:
        raise click.UsageError(f"{error}.") from None
    except OSError as error:
        raise MissingError(f"{error.strerror}: {error.filename}.") from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    else:
        lines = [HEAD, *map(cells, rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        for sentence in complaints(rows):
            click.echo(sentence, err=True)
    if not all(found.holds for found in rows):
        sys.exit(1)


@phone.command()
@click.option(
    "--listen", default="stdio:", show_default=True, metavar="URI", help="tcp:HOST:PORT, unix:PATH or stdio:."
)
def serve(listen: str) -> None:
    """Serve our phone to testers, one after the other, until interrupted.

    tcp::0 takes a free port on loopback; where it listens is said on standard error.
    """
    from opalink.protocol.engine.phone import Phone
    from opalink.protocol.transport.errors import BenchError, UriError
    from opalink.protocol.transport.host import listen as answer

    try:
        answer(listen, Phone, lambda uri: click.echo(f"listening at {uri}", err=True))
    except UriError as error:
        raise click.UsageError(str(error)) from None
    except (BenchError, OSError) as error:
        raise BenchFaultError(f"{listen} cannot be served: {error}.") from None
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)


def _shooting() -> Any:
    """The module that needs what is not always installed."""
    try:
        from opalink.protocol import shooting
    except ImportError as error:
        raise MissingError(f"{error}.") from None
    return shooting


@contextmanager
def _failures() -> Iterator[None]:
    """What can go wrong, as one sentence with the exit code that belongs to it."""
    from opalink.protocol.channel import ScenarioError
    from opalink.protocol.picture.formats import PictureError
    from opalink.protocol.shooting import ShootingError
    from opalink.protocol.spdm.roots import RootError
    from opalink.protocol.transport.errors import BenchError, UriError

    try:
        yield
    except (UriError, ScenarioError) as error:
        raise click.UsageError(str(error)) from None
    except ShootingError as error:
        raise PhoneError(str(error)) from None
    except (PictureError, RootError) as error:
        raise click.UsageError(f"{error}.") from None
    except BenchError as error:
        raise BenchFaultError(str(error)) from None
    except OSError as error:
        raise MissingError(f"{error.strerror}: {error.filename}.") from None
