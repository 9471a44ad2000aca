"""Campaigns on tape: all that crosses the bench is taken down, and a campaign is run again against what was taken down.

In virtual time the tester is deterministic, so a verdict is a function of what the implementation said: run again, the
tester must send the same bytes (the CLOCK records among them hold every time), and what is on the tape answers it.
Nothing else is read: no verdict, no note. What differs is kept in `Recorded.differs`, because a runner makes verdicts
of whatever goes wrong below it.

    tape: Tape = []
    taped = Certification(Taped.onto(tape, uri, options, catalogue), None).run(chosen, None)
    again = replayed(tape, options, catalogue, chosen)  # the same verdicts, or NotReproducible

Plan: the tape · taking down · playing back · the runner.
"""

from collections.abc import Callable, Sequence
from typing import Self

from msgspec import Struct, structs

from opalink.conformance.campaign import Certification
from opalink.conformance.purposes import Purpose
from opalink.conformance.results import Result
from opalink.conformance.runner import Options, Runner
from opalink.protocol.ir import model as ir
from opalink.protocol.transport import Bench, BenchError, Channel, Closed, Hang, IutUri
from opalink.protocol.transport.bench import PlaneChoice

# ── The tape ─────────────────────────────────────────────────────────────────────────────────────────


class Turn(Struct, frozen=True, gc=False):
    """What the tester sent at once, or what it met when it waited: bytes, b"" where the implementation had closed,
    None where it kept silent for as long as the tester's patience."""

    sent: bool
    data: bytes | None


Tape = list[list[Turn]]  # of each connection, in the order in which they were opened


class NotReproducible(ValueError):  # noqa: N818  an observation about a recording
    """The tester, run again, does other than the recording says."""


# ── Taking down ──────────────────────────────────────────────────────────────────────────────────────


class Recorder(Channel):
    """A channel that takes down what crosses another."""

    def __init__(self, channel: Channel, turns: list[Turn]) -> None:
        self._channel, self._turns = channel, turns

    def send(self, data: bytes) -> None:
        self._turns.append(Turn(True, data))
        try:
            self._channel.send(data)
        except (Closed, Hang) as gone:  # played back, the tester finds out when it waits
            self._turns.append(Turn(False, None if isinstance(gone, Hang) else b""))
            raise

    def receive(self, timeout: float | None) -> bytes | None:
        data = self._channel.receive(timeout)
        if data is not None or timeout != 0:
            self._turns.append(Turn(False, data))
        return data

    def alive(self) -> bool:
        return self._channel.alive()

    def close(self) -> None:
        self._channel.close()

    def evidence(self) -> str:
        return self._channel.evidence()


# ── Playing back ─────────────────────────────────────────────────────────────────────────────────────


class Recorded(Channel):
    """A channel on which a tape answers. `differs` is the first thing that the tester did otherwise, as a sentence;
    from there on the channel is closed."""

    def __init__(self, turns: Sequence[Turn], name: str) -> None:
        self._turns, self._name = turns, name
        self._at = 0
        self.differs = ""

    def send(self, data: bytes) -> None:
        turn = self._turn(True, f"sends {len(data)} bytes")
        if turn.data != data:
            self._refuse("sends other bytes than are recorded")
        self._at += 1

    def receive(self, timeout: float | None) -> bytes | None:
        if timeout == 0 and not self.differs and (self._at == len(self._turns) or self._turns[self._at].sent):
            return None  # a look, not a wait: there was nothing to be seen
        turn = self._turn(False, "waits")
        self._at += 1
        return turn.data

    def alive(self) -> bool:
        return not self.differs and self._at < len(self._turns)

    def close(self) -> None:
        """The tester is done, and so must the tape be."""
        if not self.differs and self._at < len(self._turns):
            self.differs = f"{self._where}: the tester ends, and the recording goes on."

    def _turn(self, sent: bool, does: str) -> Turn:
        if self.differs:
            raise Closed(self.differs)
        if self._at == len(self._turns):
            self._refuse(f"{does}, and the recording has ended")
        turn = self._turns[self._at]
        if turn.sent is not sent:
            self._refuse(f"{does}, which is not what was recorded next")
        return turn

    @property
    def _where(self) -> str:
        return f"{self._name}, turn {self._at + 1}"

    def _refuse(self, what: str) -> None:
        self.differs = f"{self._where}: the tester {what}."
        raise Closed(self.differs)


# ── The runner ───────────────────────────────────────────────────────────────────────────────────────


class Taped(Runner):
    """A runner whose connections are made by `connect`."""

    def __init__(self, uri: str, options: Options, catalogue: ir.Catalogue, connect: Callable[[], Channel]) -> None:
        self._connect = connect
        super().__init__(uri, options, catalogue)

    @classmethod
    def onto(cls, tape: Tape, uri: str, options: Options, catalogue: ir.Catalogue) -> Self:
        """A runner that leaves all that crosses the bench on a tape."""

        def connect() -> Channel:
            channel = IutUri.parse(uri).open(options.patience)
            tape.append([])
            return Recorder(channel, tape[-1])

        return cls(uri, options, catalogue, connect)

    def _bench(self, plane: PlaneChoice) -> Bench:
        o, channel = self.options, self._connect()
        try:
            return Bench(channel, clock=o.clock, plane=plane, seed=o.seed or 1, patience=o.patience)
        except BaseException:
            channel.close()
            raise


def replayed(tape: Tape, options: Options, catalogue: ir.Catalogue, chosen: Sequence[Purpose]) -> tuple[Result, ...]:
    """The results of a campaign in virtual time, derived once more from its tape. Raises NotReproducible."""
    players: list[Recorded] = []

    def connect() -> Channel:
        if players and players[-1].differs:  # the runner took it for the implementation's end, and connects anew
            raise NotReproducible(players[-1].differs)
        if len(players) == len(tape):
            raise NotReproducible(f"The tester opens connection {len(tape) + 1}, and {len(tape)} are recorded.")
        players.append(Recorded(tape[len(players)], f"connection {len(players) + 1}"))
        return players[-1]

    virtual = structs.replace(options, clock="virtual")
    try:
        runner = Taped("recorded", virtual, catalogue, connect)
        try:
            campaign = Certification(runner, None).run(chosen, None)
        finally:
            runner.close()
    except BenchError as gone:
        raise NotReproducible(str(gone)) from None
    if differs := next((p.differs for p in players if p.differs), ""):
        raise NotReproducible(differs)
    if len(players) < len(tape):
        raise NotReproducible(f"{len(tape)} connections are recorded, and the tester opens {len(players)}.")
    return campaign.results
