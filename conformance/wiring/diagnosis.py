"""What is wrong with a wiring, judged by the bytes that came: an echo, text, noise, a byte order, half a record.

Plan: what is wrong · the tap · a greeting that is none.
"""

import time
from typing import Final

from opalink.protocol.packets import RecordKind
from opalink.protocol.packets.bodies import Bind, encode_Bind
from opalink.protocol.transport import BenchError, Channel, Closed, Hang, NotOffered
from opalink.protocol.transport.framing import HEADER, LIMIT

# ── What is wrong ────────────────────────────────────────────────────────────────────────────────────


class Wrong(Exception):  # noqa: N818  what a check found, not an error
    """Ends the checks."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found, self.advice = found, advice


# ── The tap ──────────────────────────────────────────────────────────────────────────────────────────


class Tap(Channel):
    """A channel that keeps the first bytes each way, and those from where what comes is no records any more."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self.sent = self.got = self.astray = b""
        self._head = b""  # of a record, as far as it has come
        self._left = 0  # bytes of its payload that have not

    def send(self, data: bytes) -> None:
        self.sent += data[: _KEPT - len(self.sent)]
        self._inner.send(data)

    def receive(self, timeout: float | None) -> bytes | None:
        data = self._inner.receive(timeout)
        if data:
            self.got += data[: _KEPT - len(self.got)]
            self._follow(data)
        return data

    def linger(self) -> None:
        """Take what is still on its way, for the diagnosis."""
        until = time.monotonic() + _LINGER
        while (left := until - time.monotonic()) > 0 and len(self.got) < _KEPT:
            if not self.receive(min(left, _PAUSE)):
                return

    def _follow(self, data: bytes) -> None:
        """Find where the records end."""
        at = 0
        while at < len(data):
            if self.astray:
                self.astray += data[at : at + _KEPT - len(self.astray)]
                return
            if self._left:
                at, self._left = at + min(self._left, len(data) - at), max(0, self._left - (len(data) - at))
                continue
            more = data[at : at + HEADER - len(self._head)]
            self._head, at = self._head + more, at + len(more)
            length = int.from_bytes(self._head[:4], "little")
            if len(self._head) >= 4 and length > LIMIT:
                self.astray = self._head
            elif len(self._head) == HEADER:
                self._head, self._left = b"", length

    def alive(self) -> bool:
        return self._inner.alive()

    def close(self) -> None:
        self._inner.close()

    def evidence(self) -> str:
        return self._inner.evidence()


# ── A greeting that is none ──────────────────────────────────────────────────────────────────────────

_KEPT: Final = 4096  # bytes of what came that a diagnosis looks at
_SHOWN: Final = 60  # characters of it that are shown
_LINGER: Final = 0.3  # seconds that it waits for the rest of them
_PAUSE: Final = 0.05  # seconds without a byte after which there is no rest
_MAGIC: Final = encode_Bind(Bind())[:4]
_KINDS: Final = frozenset(map(int, RecordKind))

_SILENT: Final = {
    "serial": "Check that TX goes to RX and RX to TX, the common ground, the baud rate, and that the board runs.",
    "pty": "Check that the program reads from the terminal that it opened, and writes to it without buffering.",
    "stdio": "Check that the program flushes its standard output after each record, and reads without buffering.",
    "tcp": "Check that the server behind the port speaks the bench binding, and is not busy with another tester.",
}
_SILENT_ELSE: Final = "Check that it answers BIND, with the numbers and lengths of the bench binding."
_CHATTER: Final = {
    "serial": "Give the console of the board another line than the records, or have it say nothing.",
    "stdio": "Write logs to standard error, or as LOG records: standard output is for records alone.",
}
_BY_HAND: Final = "Start it by hand or in a debugger, and see what it says."
ENDIAN: Final = "Write all numbers little-endian: the lowest byte comes first."


def diagnosis(kind: str, tap: Tap, error: BenchError, *, greeted: bool) -> Wrong:
    """What an error of the bench means for a wiring of a kind, over which it has `greeted` or not."""
    if not isinstance(error, Closed):
        tap.linger()
    if not greeted and _returned(tap.sent, tap.got):
        return Wrong(
            "What is sent comes back: the line echoes.",
            "Connect TX to RX of the other side and not to its own, and switch the terminal's echo off (raw mode).",
        )
    if words := _words(tap.astray):
        return Wrong(f"Text stands where records should: {words!r}.", _CHATTER.get(kind, _CHATTER["stdio"]))
    if not greeted:
        return _greeting(kind, tap.got, error)
    if isinstance(error, Closed):
        return Wrong(f"It ends in the middle of it: {ending(error)}.", _BY_HAND)
    if isinstance(error, Hang):
        return Wrong(str(error), "It has answered before: see where it waits, in a debugger or by its log.")
    return Wrong(sentence(str(error)), "See the bench binding, which has this rule for every implementation.")


def _greeting(kind: str, got: bytes, error: BenchError) -> Wrong:
    """What came instead of an answer to BIND, judged by the first bytes of it."""
    if not got:
        return _nothing(kind, error)
    if len(set(got)) == 1 and len(got) >= HEADER:
        return Wrong(
            f"Only bytes {got[0]:#04x} come: nobody drives the line, or far too slowly.",
            "Check the supply of the board, the level of the line, and the baud rate.",
        )
    length, kind_of = int.from_bytes(got[:4], "little"), got[4] if len(got) > 4 else -1
    if length > LIMIT and int.from_bytes(got[:4], "big") <= LIMIT and kind_of in _KINDS:
        return Wrong("The length of a record comes with its highest byte first.", ENDIAN)
    if length > LIMIT or kind_of not in _KINDS:
        rate = " A wrong baud rate looks like this." if kind in ("serial", "pty") else ""
        return Wrong(
            f"What comes is no record: {got[:HEADER].hex()}.{rate}",
            "Check the baud rate of both sides." if rate else "Check that a record begins with its header of 16 bytes.",
        )
    if isinstance(error, Hang) and len(got) < HEADER + length:
        return Wrong(
            f"It stops in the middle of a record: {len(got)} of {HEADER + length} bytes have come.",
            "Check that all of a record is written and flushed, and that `length` counts the payload alone.",
        )
    return _body(got[HEADER : HEADER + length], error)


def _nothing(kind: str, error: BenchError) -> Wrong:
    if isinstance(error, Closed):
        return Wrong(f"It ends before it has said anything: {ending(error)}.", _BY_HAND)
    return Wrong(str(error), _SILENT.get(kind, _SILENT_ELSE))


def _returned(sent: bytes, got: bytes) -> bool:
    """Whether what came is what was sent, as it was or as a terminal echoes it."""
    echoed = sent.replace(b"\0", b"^@")
    most = min(len(got), len(sent))
    return most >= HEADER and (got[:most] == sent[:most] or got[:HEADER] == echoed[:HEADER])


def _words(astray: bytes) -> str:
    """The text with which something begins; empty if it is none."""
    text = astray.decode("latin-1")
    size = next((i for i, c in enumerate(text) if not c.isascii() or not (c.isprintable() or c in "\r\n\t")), len(text))
    lines = [line for line in text[:size].splitlines() if line.strip()]
    return lines[0].strip()[:_SHOWN] if size >= 4 and lines else ""


def _body(payload: bytes, error: BenchError) -> Wrong:
    """A first record that is whole, and is not what BIND is answered with."""
    if payload[:4] == _MAGIC[::-1]:
        return Wrong("The numbers in a record come with their highest byte first.", ENDIAN)
    if payload[:4] == _MAGIC and payload[4:5] == b"\0":
        return Wrong("It speaks version 0 of the bench binding, and there is none.", "Answer BIND with version 1.")
    if isinstance(error, Closed):
        return Wrong(f"It ends after its first record: {ending(error)}.", _BY_HAND)
    if isinstance(error, NotOffered):
        return Wrong(sentence(str(error)), "Choose what it offers, or have it offer more.")
    return Wrong(sentence(str(error)), "Compare its answer to BIND with the bench binding, byte by byte.")


def ending(error: BenchError) -> str:
    """How an implementation ended, as far as its channel has seen it, and the last that it said: a crash by name."""
    lines = error.evidence.strip().splitlines() or ["the connection was closed"]
    fate = f"CRASH, {lines[0]}" if lines[0].startswith("killed by") else lines[0]
    return fate if len(lines) == 1 else f"{fate}, {lines[-1]}"


def sentence(text: str) -> str:
    """A text with a full stop at its end."""
    return text if text.endswith(".") else f"{text}."
