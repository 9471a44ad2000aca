"""Campaigns on tape: all that crosses the bench is taken down, and a campaign is run again against what was taken down.

In virtual time the tester is deterministic, so a verdict is a function of what the implementation said: run again, the
tester must send the same bytes (the CLOCK records among them hold every time), and what is on the tape answers it.
Nothing else is read: no verdict, no note. What differs is kept in `Player.differs`, because a runner makes verdicts of
whatever goes wrong below it.

    with recording(path) as tape:
        campaign = certify(Taped.onto(tape, uri), options)
    with playing(path) as turns:
        again = replayed(turns, order_of(uri, options))  # the same campaign, or NotReproducible

Plan: taking down · playing back · a campaign again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, Self

from msgspec import structs

from opalink.conformance.bundle.results import Campaign
from opalink.conformance.campaign import Certification
from opalink.conformance.papers import pics, pixit, waivers
from opalink.conformance.runner import Progress, Runner
from opalink.conformance.sealed.order import Order
from opalink.conformance.sealed.tape import Kind, Tape, TapeError, Turn
from opalink.conformance.selection import select
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import BenchError, Channel, Closed, Hang, IutUri, Unreachable
from opalink.protocol.transport.channel import PATIENCE

# ── Taking down ──────────────────────────────────────────────────────────────────────────────────────

PIECE = 1 << 20  # bytes of a turn: a tape has no longer ones


class Recorder(Channel):
    """A channel that takes down what crosses another."""

    def __init__(self, channel: Channel, tape: Tape) -> None:
        self._channel, self._tape = channel, tape
        self._more = b""  # received, and not taken yet

    def send(self, data: bytes) -> None:
        self._tape.add(Kind.SENT, data)
        try:
            self._channel.send(data)
        except (Closed, Hang) as gone:
            self._tape.say(Kind.STUCK if isinstance(gone, Hang) else Kind.REFUSED, str(gone))
            raise

    def receive(self, timeout: float | None) -> bytes | None:
        data = self._more or self._channel.receive(timeout)
        if data:
            data, self._more = data[:PIECE], data[PIECE:]
            self._tape.add(Kind.RECEIVED, data)
        elif data is not None:
            self._tape.add(Kind.CLOSED)
        elif timeout != 0:
            self._tape.add(Kind.SILENT)
        return data

    def alive(self) -> bool:
        return self._channel.alive()

    def close(self) -> None:
        self._channel.close()

    def evidence(self) -> str:
        left = self._channel.evidence()
        self._tape.say(Kind.EVIDENCE, left)
        return left


@dataclass(frozen=True)
class Taped(IutUri):
    """A URI whose connections are taken down."""

    tape: Tape

    @classmethod
    def onto(cls, tape: Tape, uri: str) -> Self:
        """Raises UriError."""
        parsed = IutUri.parse(uri)
        return cls(parsed.kind, parsed.rest, tape)

    def open(self, patience: float = PATIENCE) -> Channel:
        try:
            channel = IutUri(self.kind, self.rest).open(patience)
        except BenchError as gone:
            self.tape.say(Kind.UNREACHABLE, str(gone))
            raise
        self.tape.add(Kind.OPENED)
        return Recorder(channel, self.tape)


# ── Playing back ─────────────────────────────────────────────────────────────────────────────────────


class NotReproducible(ValueError):  # noqa: N818  an observation about a recording
    """The tester, run again, does other than the recording says."""


class Player:
    """A tape that is played to a tester. `differs` is the first thing that the tester did otherwise, as a sentence;
    from there on nothing answers."""

    def __init__(self, turns: Iterator[Turn]) -> None:
        self.differs = ""
        self._turns = turns
        self._connection = self._turn = 0
        self._next: Turn | None = None
        self._step()

    def _step(self) -> None:
        try:
            self._next = next(self._turns, None)
        except TapeError as error:
            self._next = None
            self.differs = self.differs or str(error)

    @property
    def kind(self) -> Kind | None:
        """What comes next; None at the end."""
        return None if self._next is None else self._next.kind

    @property
    def done(self) -> bool:
        """Whether this connection has nothing more to say."""
        return self.kind in (None, Kind.OPENED, Kind.UNREACHABLE)

    def take(self, does: str, *kinds: Kind) -> Turn:
        """The next turn, which is one of these if the tester does what it did."""
        turn = self._next
        if self.differs or turn is None or turn.kind not in kinds:
            self.refuse(f"{does}, and the recording has ended" if self.done else f"{does}, which was not recorded next")
        if turn.kind in (Kind.OPENED, Kind.UNREACHABLE):
            self._connection, self._turn = self._connection + 1, 0
        self._turn += 1
        self._step()
        return turn

    def refuse(self, what: str) -> NoReturn:
        self.differs = self.differs or f"connection {self._connection}, turn {self._turn}: the tester {what}."
        raise Closed(self.differs)


class Recorded(Channel):
    """A channel on which a tape answers."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._closed = False

    def send(self, data: bytes) -> None:
        player = self._player
        if player.take(f"sends {len(data)} bytes", Kind.SENT).data != data:
            player.refuse("sends other bytes than are recorded")
        if player.kind is Kind.REFUSED:
            raise Closed(player.take("sends", Kind.REFUSED).text)
        if player.kind is Kind.STUCK:
            raise Hang(player.take("sends", Kind.STUCK).text)

    def receive(self, timeout: float | None) -> bytes | None:
        player = self._player
        if not player.differs and (player.kind is Kind.SENT or (timeout == 0 and player.done)):
            return None  # a look, or a wait of a test in real time, which is as long as it was and not as often
        if player.kind is Kind.EVIDENCE and not player.differs:
            return None  # however much had come, the tester's patience was at its end
        turn = player.take("waits", Kind.RECEIVED, Kind.CLOSED, Kind.SILENT)
        return None if turn.kind is Kind.SILENT else turn.data

    def alive(self) -> bool:
        return not self._player.differs and not self._player.done

    def close(self) -> None:
        """The tester is done, and so must the tape be."""
        player = self._player
        if not self._closed and not player.differs and not player.done:
            player.differs = "The tester ends, and the recording goes on."
        self._closed = True

    def evidence(self) -> str:
        player = self._player
        return "" if player.differs else player.take("asks what was left behind", Kind.EVIDENCE).text


@dataclass(frozen=True)
class Played(IutUri):
    """The URI of a campaign, whose connections a tape opens."""

    player: Player

    def open(self, patience: float = PATIENCE) -> Channel:  # noqa: ARG002  a tape needs none
        if self.player.differs:  # the runner took it for the implementation's end, and connects anew
            raise NotReproducible(self.player.differs)
        try:
            turn = self.player.take("connects", Kind.OPENED, Kind.UNREACHABLE)
        except Closed as gone:
            raise NotReproducible(str(gone)) from None
        if turn.kind is Kind.UNREACHABLE:
            raise Unreachable(turn.text)
        return Recorded(self.player)


# ── A campaign again ─────────────────────────────────────────────────────────────────────────────────


def replayed(turns: Iterator[Turn], order: Order, progress: Progress | None = None) -> Campaign:
    """A campaign in virtual time, derived once more from its tape. Raises NotReproducible, BadExpression, PicsError and
    WaiverError."""
    player = Player(turns)
    known, options = catalogue(), structs.replace(order.options, clock="virtual")
    if options.pixit:  # nothing is done from outside to a recording
        options = structs.replace(options, pixit=structs.replace(options.pixit, operations={}))
    kind, _, rest = order.iut.partition(":")
    try:
        runner = Runner(Played(kind, rest, player), options, known)
        try:
            declared = None if order.pics is None else pics.read(order.pics, known)
            waived = () if order.waivers is None else waivers.read(order.waivers)
            certification = Certification(runner, declared, waived)
            campaign = certification.run(select(runner.role, options.plan, options.selection), progress)
        finally:
            runner.close()
    except BenchError as gone:
        raise NotReproducible(player.differs or str(gone)) from None
    if player.differs:
        raise NotReproducible(player.differs)
    if player.kind is not None:
        raise NotReproducible("The tester is done, and the recording has another connection.")
    return structs.replace(campaign, pixit=pixit.text(order.options.pixit) if order.options.pixit else "")
