"""Twelve planted faults: a copy of the reference module that a fuzzer must see through.

    python -m opalink.fuzz.planted hunt --seconds 120
    python -m opalink.fuzz.planted serve tcp::7000

That all `faults` are found within two minutes, over TCP and on one core, is what the fuzzer is held to; each alone is a
test of the operators that find it.

Plan: the module · the hunt · the command.
"""

import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import click
from msgspec import Struct, structs

from opalink.conformance.zoo.specimen import Specimen
from opalink.fuzz.case import text
from opalink.fuzz.faults import FAULTS, AnswersAnswers, Fault, Leaks, ManyProperties
from opalink.fuzz.guide import Campaign, Fuzzer, Limits
from opalink.fuzz.player import Player
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import Lane, ResetKind
from opalink.protocol.transport.host import Listener

# ── The module ───────────────────────────────────────────────────────────────────────────────────────


class Planted(Specimen):
    """The reference module with faults planted in it: all of them, or those of a subclass."""

    kinds: ClassVar[tuple[type[Fault], ...]] = FAULTS

    def __init__(self) -> None:
        super().__init__()
        self._faults = [kind() for kind in self.kinds]

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        for fault in self._faults:
            data = fault.hears(data)
            if isinstance(fault, AnswersAnswers) and fault.echoes:
                self.extra.append(Departure(self.now, lane, fault.echoes))
                fault.echoes = b""
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        data = d.data
        for fault in self._faults:
            data = fault.says(data)
        return (structs.replace(d, data=data),)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        if kind is ResetKind.COLD:
            self._faults = [kind_() for kind_ in self.kinds]
        super().reset(kind, seed, now)


def only(fault: type[Fault]) -> type[Planted]:
    """The module with one fault."""
    return type(fault.__name__, (Planted,), {"kinds": (fault,), "__doc__": fault.__doc__})


def __getattr__(name: str) -> type[Planted]:
    """`only_NAME` is the module with one fault: py:opalink.fuzz.planted:only_Drifts."""
    found = next((f for f in FAULTS if f"only_{f.__name__}" == name), None)
    if found is None:
        raise AttributeError(f"no fault is called {name!r}")
    return only(found)


# ── The hunt ─────────────────────────────────────────────────────────────────────────────────────────


class Caught(Struct, frozen=True):
    """A planted fault, and when and by which case it was found: seconds, plays, messages. `least` is the number of
    messages of its shortest case."""

    fault: str
    requirement: str
    least: int
    found: bool = False
    seconds: float = 0.0
    executions: int = 0
    messages: int = 0


def caught(campaign: Campaign) -> list[Caught]:
    """Which of the faults a campaign against the whole module has found. Two break one requirement: they are told
    apart by the module's last words."""
    out = []
    for fault in FAULTS:
        least, requirement = fault.case().messages, fault.id_of()
        words = {ManyProperties: "IndexError", Leaks: "MemoryError"}.get(fault, "")
        hits = [
            f
            for f in campaign.found.values()
            if f.confirmed.finding.requirement == requirement and f.confirmed.finding.last.startswith(words)
        ]
        if not hits:
            out.append(Caught(fault.__name__, requirement, least))
            continue
        first = min(hits, key=lambda f: f.seconds)
        shortest = min(f.confirmed.case.messages for f in hits)
        out.append(Caught(fault.__name__, requirement, least, True, first.seconds, first.executions, shortest))
    return out


def hunt(uri: str, seconds: float, seed: int, clock: Callable[[], float] = time.monotonic) -> Campaign:
    """A campaign against the whole module at a URI, until all faults are found or the time is over."""
    with Player(uri) as player:
        fuzzer = Fuzzer(player, seed, clock=clock)
        return fuzzer.run(Limits(seconds=seconds), until=lambda c: all(x.found for x in caught(c)))


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def _serve(uri: str, ready: Any) -> None:
    logging.disable()  # that an endpoint fails is what it is there for
    with Listener(uri) as listener:
        ready.send(listener.uri)
        while True:
            listener.serve(Planted)


@click.group()
def main() -> None:
    """Twelve planted faults."""


@main.command("list")
def list_() -> None:
    """List the faults: the requirement that each breaks, and the shortest case that shows it."""
    for fault in FAULTS:
        click.echo(f"{fault.__name__}: {fault.__doc__}\n{fault.id_of()}, {fault.case().messages} messages")
        click.echo("".join(f"    {row[:100]}\n" for row in fault.shortest.splitlines()))


@main.command()
@click.argument("uri")
def serve(uri: str) -> None:
    """Serve the module with all faults at URI."""
    with Listener(uri) as listener:
        click.echo(f"listening at {listener.uri}", err=True)
        while True:
            listener.serve(Planted)


@main.command("hunt")
@click.option("--seconds", default=120.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def hunt_(seconds: float, seed: int) -> None:
    """Look for all faults over TCP, and print which were found when, and with how many messages. Seconds are those of
    one processor that both sides share, whatever else this machine does."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=("tcp::0", theirs), daemon=True)
    server.start()
    theirs_too = ~(server.pid or 0) << 3 | 2  # Linux's clock of a process: what it has worked

    def worked() -> float:
        return time.process_time() + time.clock_gettime(theirs_too)

    begun = time.monotonic()
    try:
        campaign = hunt(ours.recv(), seconds, seed, worked)
    finally:
        server.terminate()
        server.join()
    found = caught(campaign)
    for c in found:
        what = f"{c.seconds:6.1f} s {c.executions:7} cases, {c.messages} messages" if c.found else "not found"
        click.echo(f"{c.fault:<15} {c.requirement:<12} shortest {c.least}: {what}")
    ids = {c.requirement for c in found}
    others = [f for f in campaign.found.values() if f.confirmed.finding.requirement not in ids]
    for f in others:
        click.echo(f"also: {f.confirmed.finding}\n{text(f.confirmed.case)}")
    took = time.monotonic() - begun
    click.echo(f"{campaign.executions} cases in {campaign.seconds:.1f} s of one processor, {took:.1f} s by the clock")
    sys.exit(0 if all(c.found and c.messages <= c.least + 4 for c in found) else 1)


if __name__ == "__main__":
    main()
