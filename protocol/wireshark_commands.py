"""`opalink wireshark`: the dissector, put where Wireshark finds it."""

from pathlib import Path

import click


class NoWiresharkError(click.ClickException):
    exit_code = 5


@click.group()
def wireshark() -> None:
    """OPAL in Wireshark: install the dissector.

    Recordings of packets (LINKTYPE_USER0) and of lanes (LINKTYPE_USER1) are then taken apart by Wireshark and tshark.
    A field's filter name is opal. and its path, as in opal.PWR_REQUEST.request.max; `tshark -z opal` counts messages.
    """


@wireshark.command()
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Instead of Wireshark's own folder."
)
def install(folder: Path | None) -> None:
    """Put the dissector into Wireshark's folder of personal Lua plug-ins."""
    from opalink.protocol.wireshark import WiresharkError
    from opalink.protocol.wireshark import install as put

    try:
        path = put(folder)
    except WiresharkError as error:
        raise NoWiresharkError(f"{error} With --dir, the dissector can be put anywhere.") from None
    except OSError as error:
        raise click.ClickException(f"The dissector cannot be written: {error}.") from None
    click.echo(f"Wrote {path}. Wireshark reads it at its next start.")
