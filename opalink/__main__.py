"""The command line: one program, whose commands are imported only when they are asked for."""

import importlib
import os
import sys
import traceback
from signal import SIGINT, SIGPIPE
from typing import Any

import click

from opalink import __version__

# Command → where it is defined, and its line in the help; a test holds the lines to the commands' own.
COMMANDS = {
    "certify": ("opalink.conformance.commands:certify", "Judge the implementation IUT and leave a bundle of evidence."),
    "probe": (
        "opalink.conformance.commands:probe",
        "Write the PICS of IUT from what it shows, for its vendor to correct.",
    ),
    "review": (
        "opalink.conformance.papers.commands:review",
        "Say whether the declaration PICS is legal, without any device.",
    ),
    "smoke": (
        "opalink.conformance.wiring.commands:smoke",
        "Say whether IUT is wired right, before anyone blames a module.",
    ),
    "explain": (
        "opalink.conformance.wiring.commands:explain",
        "Say what the requirement or the test NAME is, what shows it, and where it stands in the document.",
    ),
    "keygen": (
        "opalink.conformance.sealed.commands:keygen",
        "Make an Ed25519 key to sign bundles with: OUT for you alone, and OUT.pub for everybody.",
    ),
    "sign": (
        "opalink.conformance.sealed.commands:sign",
        "Seal the BUNDLE that certify left, whatever its verdict is.",
    ),
    "verify": (
        "opalink.conformance.sealed.commands:verify",
        "Say whether the BUNDLE is whole, is what was signed, and is what its tape gives.",
    ),
    "judge": (
        "opalink.conformance.offline.commands:judge",
        "Say what is wrong with the session in the recording FILE, or - for standard input.",
    ),
    "explore": (
        "opalink.conformance.exploration.commands:explore",
        "Explore the module IUT beyond the locked corpus: its machines, one by one, along examples drawn at random.",
    ),
    "replay": (
        "opalink.conformance.exploration.commands:replay",
        "Perform the tester's side of the counterexample FILE again, on IUT.",
    ),
    "selfcheck": (
        "opalink.conformance.selfcheck.commands:selfcheck",
        "Measure the suite: mutants that it must kill, the zoo, and modules that it must not fail.",
    ),
    "module": ("opalink.protocol.module_commands:module", "Reference modules, and a template for your own."),
    "phone": ("opalink.protocol.phone_commands:phone", "Our phone: attach a module, take a picture, watch the link."),
    "fuzz": ("opalink.fuzz.commands:fuzz", "Attack an implementation with hostile cases: run, replay, minimize."),
    "decode": ("opalink.protocol.commands:decode", "Packets as a readable tree or as JSON."),
    "capture": ("opalink.protocol.capture_commands:capture", "Recordings: what is in one, and its packets."),
    "encode": ("opalink.protocol.commands:encode", "Packets from JSON, as hexadecimal."),
    "spec": ("opalink.protocol.spec_commands:spec", "The catalogue: list, show, check, export, compare."),
    "wireshark": ("opalink.protocol.wireshark_commands:wireshark", "OPAL in Wireshark: install the dissector."),
    "generate": ("opalink.protocol.commands:generate", "Run a back end, or bring all generated files up to date."),
}


class Lazy(click.Group):
    """A group that imports a command's module when the command is used, so that `--help` stays quick."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has seen enough: silence, also when Python flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(128 + SIGPIPE)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command("opalink", cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opalink")
def cli() -> None:
    """OPAL, the optical phone–accessory link: its specification as code, and its conformance suite.

    Exit codes: 0 conformant or clean, 1 non-conformant or a finding, 2 usage, 3 inconclusive, 4 fault of the
    tester or its adapter, 5 nothing ran or input missing, 6 PICS illegal or contradicted, 7 known findings only.
    """


def main() -> None:
    """Run the command line. Only a command's own outcome ends with a code that says something of what it judged."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        code = 128 + SIGINT
    except Exception:  # noqa: BLE001 (whatever it is, it is a fault of ours, and 1 would be a verdict)
        traceback.print_exc()
        code = 4
    sys.exit(code)


if __name__ == "__main__":
    main()
