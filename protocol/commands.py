"""`opalink decode`, `encode` and `generate`."""

import json
import sys
from errno import ENAMETOOLONG
from pathlib import Path

import click

from opalink.protocol.errors import DecodeError, EncodeError

_HEX = set("0123456789abcdefABCDEF")


class NoInputError(click.ClickException):
    exit_code = 5


def _content(argument: str) -> bytes | None:
    """What a file, or standard input, holds; None if the argument names neither. Nothing at all is an error."""
    try:
        if argument != "-" and not Path(argument).is_file():
            return None
        raw = sys.stdin.buffer.read() if argument == "-" else Path(argument).read_bytes()
    except OSError as error:
        if error.errno == ENAMETOOLONG:  # what was given is a packet, and no file has such a name
            return None
        raise NoInputError(f"{argument!r} cannot be read: {error.strerror}.") from None
    if not raw.strip():
        raise NoInputError(f"{argument!r} is empty.")
    return raw


def _packets(argument: str) -> list[bytes]:
    """The packets that an argument means: hexadecimal, or a file of it (a packet a line) or of one packet's bytes."""
    raw = _content(argument)
    if raw is None:
        digits = "".join(argument.split()).removeprefix("0x")
        if not digits or set(digits) - _HEX or len(digits) % 2:
            raise click.UsageError(f"{argument!r} is neither a file nor an even number of hexadecimal digits.")
        return [bytes.fromhex(digits)]
    if set(raw.decode("latin-1")) - _HEX - set(" \t\r\n"):
        return [raw]
    try:
        return [bytes.fromhex(line.decode()) for line in raw.split(b"\n") if line.strip()]
    except ValueError:
        raise click.UsageError(f"{argument!r} has a line with an odd number of hexadecimal digits.") from None


@click.command()
@click.argument("packet")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a packet.")
@click.option("--no-crc", is_flag=True, help="Do not check the CRC.")
def decode(packet: str, as_json: bool, no_crc: bool) -> None:
    """Packets as a readable tree or as JSON.

    PACKET is hexadecimal, a file of hexadecimal (a packet a line) or of one packet's bytes, a recording (pcapng), or -
    for standard input. What does not decode is reported with the field and its offset, and makes the exit code 1.
    """
    from opalink.protocol import codec, text
    from opalink.protocol.capture_commands import decoded, is_recording

    if is_recording(packet):
        decoded(packet, as_json=as_json, crc=not no_crc)

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
            click.echo(json.dumps(text.to_json(value)) if as_json else text.tree(value))
    if failed:
        sys.exit(1)


@click.command()
@click.argument("packet")
@click.argument("fields", nargs=-1)
@click.option("--form", help="request, response, error or event; the type's first unless given.")
@click.option("--txn", type=int, help="Transaction number.")
def encode(packet: str, fields: tuple[str, ...], form: str | None, txn: int | None) -> None:
    """Packets from JSON, as hexadecimal.

    PACKET is JSON as `opalink decode --json` writes it, a file of that (a packet a line), or - for standard input.
    A packet type with fields works too: opalink encode PWR_REQUEST object=2 max=500
    """
    from opalink.protocol import codec, text

    for data in _values(packet, fields, form, txn):
        try:
            click.echo(codec.encode(text.from_json(data)).hex())
        except EncodeError as error:
            raise click.UsageError(f"{error}.") from None


def _values(packet: str, fields: tuple[str, ...], form: str | None, txn: int | None) -> list[object]:
    from opalink.protocol.ir.load import catalogue

    if packet in catalogue().packet:
        header = {} if txn is None else {"txn": txn}
        return [{"packet": packet, "form": form, "header": header, "body": dict(map(_assignment, fields))}]
    if fields or form or txn is not None:
        raise click.UsageError(f"Fields, --form and --txn go with a packet type, and {packet!r} is none.")
    content = _content(packet)
    source = packet if content is None else content
    try:
        return [json.loads(line) for line in source.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{packet!r} is neither a packet type, nor a file, nor JSON: {error}.") from None


def _assignment(field: str) -> tuple[str, object]:
    name, equals, value = field.partition("=")
    if not equals:
        raise click.UsageError(f"{field!r} is not of the form field=value.")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


@click.command()
@click.argument("backend")
@click.argument("out", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--profile", default="", help="Leave out what no module of this profile can use (C alone).")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file would change.")
def generate(backend: str, out: Path | None, profile: str, check: bool) -> None:
    """Run a back end, or bring all generated files up to date.

    BACKEND writes into the folder OUT; `all`, without OUT, into the checkout.
    """
    from opalink.protocol.generate import registry
    from opalink.protocol.ir.diagnostics import SpecError

    try:
        if backend == "all" and out is None and not profile:
            files = registry.everything()
            changed = registry.stale(files) + registry.leftovers(files)
        elif backend in registry.BACKENDS and out is not None:
            files = registry.made(backend, out, profile)
            changed = registry.stale(files)
        else:
            known = ", ".join(registry.BACKENDS)
            raise click.UsageError(f"Give a back end ({known}) and a folder, or `all` alone.")
    except SpecError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not check:
        registry.write(files, changed)
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote' if path in files else 'removed'} {path}")
    click.echo(f"{len(files)} generated files, {len(changed)} {'stale' if check else 'changed'}.")
    sys.exit(1 if check and changed else 0)
