"""`opalink module`: reference modules on the bench binding, and a template for one of your own."""

from importlib.resources import files
from pathlib import Path

import click

from opalink.protocol.ir.load import catalogue


class UnservedError(click.ClickException):
    exit_code = 4


@click.group()
def module() -> None:
    """Reference modules, and a template for your own."""


@module.command()
@click.argument("profile")
@click.option(
    "--listen", default="stdio:", show_default=True, metavar="URI", help="tcp:HOST:PORT, unix:PATH or stdio:."
)
def serve(profile: str, listen: str) -> None:
    """Serve the reference module of PROFILE to testers, one after the other, until interrupted.

    tcp::0 takes a free port on loopback; where it listens is said on standard error.
    """
    from opalink.protocol.engine.module import Module
    from opalink.protocol.transport.errors import BenchError, UriError
    from opalink.protocol.transport.host import listen as answer

    if profile not in catalogue().profile:
        raise click.UsageError(f"{profile!r} is no profile: {', '.join(catalogue().profile)}.")
    if Module(profile).has("SECURITY"):
        from opalink.protocol.spdm.reference import credentials

        credentials(profile)  # certified before anybody waits for an answer
    try:
        answer(listen, lambda: Module(profile), lambda uri: click.echo(f"listening at {uri}", err=True))
    except UriError as error:
        raise click.UsageError(str(error)) from None
    except (BenchError, OSError) as error:
        raise UnservedError(f"{listen} cannot be served: {error}.") from None
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)


@module.command("list")
def list_() -> None:
    """List the profiles, with what each must have."""
    for p in catalogue().profiles:
        click.echo(f"{p.name:<16} {p.doc}\n{'':<16} {', '.join(p.requires).lower()}")


@module.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def template(out: Path) -> None:
    """Write OUT: a small module over standard input and output, to begin your own from.

    One that ends in .py is complete, in one file. One that ends in .c is what firmware begins with: it boots and can be
    greeted; the codec and the bench that it is compiled with are written beside it.
    """
    if out.suffix not in (".py", ".c"):
        raise click.UsageError(f"{out} must end in .py or .c.")
    if out.exists():
        raise click.UsageError(f"{out} exists already.")
    try:
        if out.suffix == ".py":
            out.write_bytes((files("opalink.protocol") / "template.py").read_bytes())
            click.echo(f"wrote {out}; try: opalink certify 'stdio:python {out}'")
        else:
            _template_in_c(out)
    except OSError as error:
        raise UnservedError(f"{error.filename} cannot be written: {error.strerror}.") from None


def _template_in_c(out: Path) -> None:
    """The template in C, and what it is compiled with."""
    from opalink.protocol.transport.library import BENCH, HEADERS

    beside = {out.with_name(path.name): path.read_bytes() for path in (*HEADERS, *BENCH)}
    for path, data in beside.items():
        if path == out or (path.exists() and path.read_bytes() != data):
            raise click.UsageError(f"{path} would be written too, and exists with other content.")
    for path, data in beside.items():
        path.write_bytes(data)
    text = (files("opalink.protocol") / "template.c").read_text()
    out.write_text(text.replace("my_module", out.stem))
    sources = " ".join(str(x) for x in (out, *(out.with_name(path.name) for path in BENCH)))
    program = out.with_suffix("")
    click.echo(f"wrote {out}, with {', '.join(path.name for path in beside)} beside it; try:")
    click.echo(f"  cc -std=c99 -o {program} {sources}")
    click.echo(f"  opalink smoke stdio:{program if program.is_absolute() else f'./{program}'}")
