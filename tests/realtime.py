"""Campaigns in real time under a named load: no conforming module may fail, however busy the host is.

    python -m tests.realtime                       every profile once, on the host as it is
    python -m tests.realtime --load 4 --runs 14    under four busy processes, the profiles in turn

Each run has a module in a process of its own behind TCP, and a seed. What did not pass is printed with its reason;
the exit code is 1 if anything failed.

Plan: the load · a run · the command.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import click

from opalink.conformance import Campaign, Options, Plan, Verdict, certify
from opalink.conformance.bundle.results import Result
from opalink.protocol.ir.load import catalogue

# ── The load ─────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that never wait, at the priority that any process has. They end with this one."""
    forever = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    busy = [subprocess.Popen([sys.executable, "-c", forever]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
        for process in busy:
            process.wait()


# ── A run ────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def served(profile: str) -> Iterator[str]:
    """The reference module of a profile in a process of its own; gives its URI."""
    command = [sys.executable, "-m", "opalink", "module", "serve", profile, "--listen", "tcp:127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = process.stderr.readline().strip().rpartition(":")[2]
            yield f"tcp:127.0.0.1:{int(port)}"
        finally:
            process.kill()


def run(profile: str, seed: int, selection: str = "", plan: Plan = Plan.QUICK) -> Campaign:
    """Judge the reference module of a profile in real time."""
    with served(profile) as uri:
        return certify(uri, Options(plan=plan, clock="real", seed=seed, selection=selection))


def timing(campaign: Campaign) -> tuple[int, int]:
    """How many of the tests of timers that were to run in real time decided, and how many those were."""
    tests = [r for r in campaign.results if "/TI-" in r.id and r.verdict is not Verdict.NA and not _virtual(r)]
    return sum(r.verdict in (Verdict.PASS, Verdict.FAIL) for r in tests), len(tests)


def _virtual(result: Result) -> bool:
    return result.verdict is Verdict.NOTRUN and result.reason == "It needs virtual time."


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


PROFILES = list(catalogue().profile)


@click.command(help=__doc__.partition("\n")[0] if __doc__ else "")
@click.option("--load", "busy", default=0, help="Busy processes beside it.")
@click.option("--runs", default=len(PROFILES), help="The profiles take turns.")
@click.option("--profile", "profiles", multiple=True, type=click.Choice(PROFILES), help="Instead of all.")
@click.option("--seed", default=1, help="Of the first run.")
@click.option("-k", "selection", default="", help="Run only what matches.")
def main(busy: int, runs: int, profiles: tuple[str, ...], seed: int, selection: str) -> None:
    chosen = profiles or PROFILES
    failures = decided = judged = 0
    with load(busy):
        for n in range(runs):
            begun, profile = time.monotonic(), chosen[n % len(chosen)]
            made = run(profile, seed + n, selection)
            sure, tests = timing(made)
            decided, judged, failures = decided + sure, judged + tests, failures + made.summary["fail"]
            click.echo(
                f"{profile}: {made.summary}, {sure} of {tests} timing tests decided, "
                f"{time.monotonic() - begun:.0f} s, load average {os.getloadavg()[0]:.1f}"
            )
            for r in made.results:
                if r.verdict in (Verdict.FAIL, Verdict.INCONC, Verdict.ERROR):
                    click.echo(f"  {r.verdict} {r.id}: {r.reason} {r.expected} {r.actual}".rstrip())
    click.echo(f"{runs} runs, {failures} failures, {decided} of {judged} timing tests decided")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
