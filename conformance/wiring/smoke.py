"""Is the wiring right? A few checks between a tester and an implementation, before anyone blames a module.

Each check needs those before it, so the first that fails is the last that is made: it says in a sentence what is wrong,
and in another what to try. What a module does with packets beyond one greeting is the business of `certify`.

    opens       there is something at the URI
    greets      it answers BIND, with records that can be read
    clock       it keeps the time that it says it keeps
    operations  it answers CONTROL, and does not say that it did what nobody can
    attaches    the contacts close, and a BEACON comes; a phone then says HELLO
    exchanges   HELLO is answered
    leaves      the contacts open, and nothing comes any more; they close, and it is there again
    restarts    BIND begins anew

Plan: the checks · one after the other.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from opalink.conformance.bundle.results import Actor
from opalink.conformance.conclusions import Conclusive
from opalink.conformance.tester import preambles
from opalink.conformance.tester.mirror import Mirror
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.session import EVENTUALLY, Known, Session
from opalink.conformance.wiring.diagnosis import ENDIAN, Tap, Wrong, diagnosis, sentence
from opalink.protocol import packets as p
from opalink.protocol.codec import DecodeError, decode
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import BindRole, OperationTag, Outcome
from opalink.protocol.transport import Bench, BenchError, Channel, IutUri, Unreachable
from opalink.protocol.transport.bench import ClockChoice
from opalink.spec.form import MS, Role
from opalink.spec.limits import PACKET_OVERHEAD

# ── The checks ───────────────────────────────────────────────────────────────────────────────────────


class Check(Struct, frozen=True):
    """A check, and what came of it; `advice` is what to try, and stands where it is not `ok`. `made` is whether the
    bench can do what it needs."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    made: bool = True


class Smoke(Struct, frozen=True):
    """What became of the checks of one implementation."""

    uri: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class NotMade(Exception):  # noqa: N818
    """The bench cannot do what a check needs."""


# ── One after the other ──────────────────────────────────────────────────────────────────────────────

PATIENCE: Final = 3.0  # seconds of real time for one step
FLOOD: Final = 1 << 20  # bytes that may come within one step
BUDGET: Final = 30.0  # seconds of real time for the checks of one session
_NOBODY: Final = 63  # an operation that there is not
_ROUNDS: Final = 20
_LENGTH: Final = slice(4, 6)  # where a packet says how long its payload is
_SILENCE: Final = 300 * MS  # after the contacts have opened


class Wiring:
    """The checks of one implementation, in their order."""

    def __init__(self, uri: IutUri, channel: Channel, clock: ClockChoice, patience: float) -> None:
        self._kind, self._tap = uri.kind, Tap(channel)
        self._clock: ClockChoice = clock
        self._patience = patience
        self._bench: Bench | None = None
        self._met: Session | None = None
        self.checks: tuple[tuple[str, Callable[[], str]], ...] = (
            ("greets", self._greets), ("clock", self._keeps_time), ("operations", self._operates),
            ("attaches", self._attaches), ("exchanges", self._exchanges), ("leaves", self._leaves),
            ("restarts", self._restarts),
        )  # fmt: skip

    def explain(self, error: Exception) -> Wrong:
        """What a failure after the greeting, or in it, means for the wiring."""
        if isinstance(error, Wrong):
            return error
        if isinstance(error, BenchError):
            return diagnosis(self._kind, self._tap, error, greeted=self._bench is not None)
        return self._misread() or Wrong(sentence(str(error)), "See what it does when the contacts close.")

    def _misread(self) -> Wrong | None:
        """Why what came on a lane could not be read as a packet, if anything did."""
        steps = self._met.steps if self._met else []
        for data in (s.data for s in steps if s.actor is Actor.IUT and s.data):
            try:
                decode(data)
            except DecodeError as error:
                size, length = len(data) - PACKET_OVERHEAD, data[_LENGTH]
                if size == int.from_bytes(length, "big") != int.from_bytes(length, "little"):
                    return Wrong("The length in a packet comes with its highest byte first.", ENDIAN)
                if error.path == "major":
                    ours = catalogue().version
                    return Wrong(
                        f"Its packets are of another version than {ours}: {error}.",
                        f"Have it speak version {ours}, or test it with the release of this suite that is its own.",
                    )
                return Wrong(
                    f"What comes on a lane is no packet: {error}.",
                    "Check that a record carries one whole packet, from its version byte to its CRC (CRC-32C).",
                )
        return None

    # ── The checks ──

    def _greets(self) -> str:
        self._bench = Bench(self._tap, clock=self._clock, patience=self._patience, flood=FLOOD)
        peer = self._bench.peer
        role = "module" if peer.role == BindRole.MODULE else "phone"
        return f"{bytes(peer.name).decode(errors='replace') or 'it'}, a {role}"

    @property
    def bench(self) -> Bench:
        if self._bench is None:
            raise Wrong("It has not greeted.", "")
        return self._bench

    def _keeps_time(self) -> str:
        if self.bench.virtual:
            for until in (MS, 2 * MS):
                self.bench.run(until)
            return "virtual: it runs to the time that it is given"
        taken = self.bench.calibrate(_ROUNDS)
        return f"real: an answer takes {taken.p50 / MS:.3g} ms, at most {taken.max / MS:.3g} ms"

    def _operates(self) -> str:
        if self.bench.peer.operations >> _NOBODY & 1:
            raise Wrong("It says that it carries out whatever operation there may be.", "Name in BIND what it can do.")
        result = self.bench.control(_NOBODY).result
        if result != Outcome.UNSUPPORTED:
            raise Wrong(
                f"An operation that there is not was answered {getattr(result, 'name', result)}.",
                "Answer UNSUPPORTED to every operation that BIND does not name.",
            )
        offered = [tag.name.lower() for tag in OperationTag if self.bench.offers(tag)]
        return ", ".join(offered) or "none is offered: the sides are together from the start"

    def _session(self) -> Session:
        if self._met is None:
            role = Role.PHONE if self.bench.peer.role == BindRole.PHONE else Role.MODULE
            slack = 0 if self.bench.virtual else self.bench.calibrate(_ROUNDS).max
            meet = Mirror if role is Role.PHONE else Session
            self._met = meet(self.bench, Monitor(catalogue(), role, slack), Known())
            self._met.budget = BUDGET
        return self._met

    def _attaches(self) -> str:
        s = self._session()
        s.begin(1)
        return self._comes()

    def _comes(self) -> str:
        """It is there once the contacts have closed."""
        s = self._session()
        if isinstance(s, Mirror):
            s.attach()
            if s.take(p.Hello, EVENTUALLY) is None:
                raise self._misread() or Wrong("No HELLO came from the phone.", "See what it does with a BEACON.")
            return "HELLO has come"
        begun = s.now
        preambles.meet(s)
        return f"BEACON has come after {(s.now - begun) / MS:.0f} ms"

    def _exchanges(self) -> str:
        s = self._session()
        if isinstance(s, Mirror):
            s.alive()
            return "COUNTERS_GET is answered"
        preambles.show(s)
        greeting = preambles.greet(s)
        return f"HELLO is answered: session {greeting.session:#x}, version {greeting.major}.{greeting.minor}"

    def _leaves(self) -> str:
        s = self._session()
        if not (s.offers(OperationTag.ATTACH) and s.offers(OperationTag.DETACH)):
            raise NotMade("the operations attach and detach are not offered")
        if isinstance(s, Mirror):
            s.detach()
        else:
            s.operate(OperationTag.DETACH, p.DetachOperation())
        s.let(_SILENCE)
        s.clear()
        return f"nothing more came; together again, {self._comes()}"

    def _restarts(self) -> str:
        s = self._session()
        s.begin(2)
        return f"bound anew, {self._comes()}"


def smoke(uri: str, clock: ClockChoice = "auto", patience: float = PATIENCE) -> Smoke:
    """Check the wiring of the implementation at a URI. Raises UriError. Whatever the implementation does, it ends
    within a bounded time and in bounded memory."""
    parsed = IutUri.parse(uri)
    begun = time.monotonic()
    try:
        channel = parsed.open(patience)
    except Unreachable as error:
        advice = "Check the path or the address, and that whatever is there has been started."
        return Smoke(uri, (Check("opens", False, sentence(str(error)), advice),))
    opened = Check("opens", True, f"after {time.monotonic() - begun:.3g} s")
    with contextlib.closing(channel):
        wiring = Wiring(parsed, channel, clock, patience)
        return Smoke(uri, (opened, *_made(wiring)))


def _made(wiring: Wiring) -> Iterator[Check]:
    for name, check in wiring.checks:
        try:
            yield Check(name, True, check())
        except NotMade as why:
            yield Check(name, True, str(why), made=False)
        except (Wrong, BenchError, Conclusive) as error:
            wrong = wiring.explain(error)
            yield Check(name, False, wrong.found, wrong.advice)
            return
