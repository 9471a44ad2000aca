"""`opalink decode`, `encode` and `generate`."""

import json
import sys
from pathlib import Path

import click

from opalink.protocol.errors import DecodeError, EncodeError

_HEX = set("0123456789abcdefABCDEF")


class NoInput(click.ClickException):
    exit_code = 5


def _packets(argument: str) -> list[bytes]:
    """The packets that an argument means: hexadecimal, or a file of it (a packet a line) or of one packet's bytes."""
    if argument == "-":
        raw = sys.stdin.buffer.read()
    elif Path(argument).is_file():
        raw = Path(argument).read_bytes()
    else:
        digits = "".join(argument.split()).removeprefix("0x")
        if not digits or set(digits) - _HEX or len(digits) % 2:
            raise click.UsageError(f"{argument!r} is neither a file nor an even number of hexadecimal digits.")
        return [bytes.fromhex(digits)]
    lines = raw.split(b"\n")
    if raw.strip() and not set(raw.decode("latin-1")) - _HEX - set(" \t\r\n"):
        try:
            return [bytes.fromhex(line.decode()) for line in lines if line.strip()]
        except ValueError:
            raise click.UsageError(f"{argument!r} has a line with an odd number of hexadecimal digits.") from None
    if not raw:
        raise NoInput(f"{argument!r} is empty.")
    return [raw]


@click.command()
@click.argument("packet")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a packet.")
@click.option("--no-crc", is_flag=True, help="Do not check the CRC.")
def decode(packet: str, as_json: bool, no_crc: bool) -> None:
    """Show PACKET: hexadecimal, a file of hexadecimal (a packet a line) or of one packet's bytes, or - for input.

    What does not decode is reported with the field and its offset, and makes the exit code 1.
    """
    from opalink.protocol import codec, text

    failed = False
    for data in _packets(packet):
        try:
            value = codec.decode(data, crc=not no_crc)
        except DecodeError as error:
            failed = True
            if as_json:
                fields = {"fault": error.fault, "path": error.path, "offset": error.offset, "detail": error.detail}
                click.echo(json.dumps({"error": fields}))
            else:
                click.echo(f"error ({error.fault}): {error}", err=True)
        else:
            click.echo(json.dumps(text.to_json(value), ensure_ascii=False) if as_json else text.tree(value))
    if failed:
        sys.exit(1)


@click.command()
@click.argument("packet")
@click.argument("fields", nargs=-1)
@click.option("--form", help="request, response, error or event; the type's first unless given.")
@click.option("--txn", type=int, help="Transaction number.")
def encode(packet: str, fields: tuple[str, ...], form: str | None, txn: int | None) -> None:
    """Print PACKET as hexadecimal: JSON as `opalink decode --json` writes it, a file of that, or - for input.

    A packet type with fields works too: opalink encode PWR_REQUEST object=2 max=500
    """
    from opalink.protocol import codec, text

    for data in _values(packet, fields, form, txn):
        try:
            click.echo(codec.encode(text.from_json(data)).hex())
        except EncodeError as error:
            raise click.UsageError(str(error)) from None


def _values(packet: str, fields: tuple[str, ...], form: str | None, txn: int | None) -> list[object]:
    from opalink.protocol.ir.load import catalogue

    if packet in catalogue().packet:
        body = {}
        for field in fields:
            name, equals, value = field.partition("=")
            if not equals:
                raise click.UsageError(f"{field!r} is not of the form field=value.")
            try:
                body[name] = json.loads(value)
            except ValueError:
                body[name] = value
        header = {} if txn is None else {"txn": txn}
        return [{"packet": packet, "form": form, "header": header, "body": body}]
    if packet == "-":
        source = sys.stdin.read()
    elif Path(packet).is_file():
        source = Path(packet).read_text()
    else:
        source = packet
    try:
        return [json.loads(line) for line in source.splitlines() if line.strip()]
    except ValueError as error:
        raise click.UsageError(f"{packet!r} is neither a packet type, nor a file, nor JSON: {error}.") from None


@click.command()
@click.argument("backend")
@click.argument("out", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file would change.")
def generate(backend: str, out: Path | None, check: bool) -> None:
    """Run BACKEND into the folder OUT; `all` without OUT brings the checkout's generated files up to date."""
    from opalink.protocol.generate import registry
    from opalink.protocol.ir.diagnostics import SpecError

    try:
        if backend == "all" and out is None:
            _, files = registry.everything()
            changed = registry.stale(files) if check else registry.write(files)
            for path in changed:
                click.echo(f"{'stale' if check else 'wrote'} {path}")
            click.echo(f"{len(files)} generated files, {len(changed)} {'stale' if check else 'changed'}.")
            sys.exit(1 if check and changed else 0)
        if backend not in registry.BACKENDS or out is None:
            known = ", ".join(registry.BACKENDS)
            raise click.UsageError(f"Give a back end ({known}) and a folder, or `all` alone.")
        from opalink.protocol.ir.load import declared

        made = registry.BACKENDS[backend].make(declared()[0])
    except SpecError as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        (out / name).write_bytes(data)
    click.echo(f"{len(made)} files in {out}.")
