"""`opalink smoke`: what it says of wirings whose fault is known, and how it ends.

Plan: what is right · what comes instead of a greeting · programs · what is wrong behind the greeting · the command.
"""

import json
import os
import shlex
import sys
import tty
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opalink.__main__ import cli
from opalink.conformance.verdicts import Exit
from opalink.conformance.wiring.smoke import Smoke, smoke
from opalink.conformance.zoo.specimen import Altered, sealed
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import AttachOperation, ControlResult, OperationTag, Outcome, RecordKind, ResetKind
from opalink.protocol.packets.bodies import encode_ControlResult
from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Channel, IutUri
from opalink.protocol.transport.framing import HEADER
from opalink.protocol.transport.local import LocalChannel
from tests import transport_hostile
from tests.test_transport_faults import Scripted, bound, reached, upon

MODULE = "py:opalink.protocol.engine.module:Module"
CHECKS = ["opens", "greets", "clock", "operations", "attaches", "exchanges", "leaves", "restarts"]


def failed(found: Smoke, check: str) -> str:
    """What is said of the check that failed, which must be this one and the last."""
    assert [c.name for c in found.checks] == CHECKS[: CHECKS.index(check) + 1]
    assert [c.ok for c in found.checks] == [True] * CHECKS.index(check) + [False]
    last = found.checks[-1]
    assert last.found.endswith(".")
    assert last.advice.endswith(".")
    assert "\n" not in last.found + last.advice
    return last.found


def over(channel: Channel, patch: pytest.MonkeyPatch, kind: str = "stdio") -> Smoke:
    """The checks of what is at the end of a channel, as if it were one of a kind."""
    patch.setattr(IutUri, "open", lambda *_: channel)
    return smoke({"serial": "serial:/dev/x", "tcp": "tcp:localhost:1"}.get(kind, f"{kind}:x"), patience=0.1)


# ── What is right ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "uri", [MODULE, "py:opalink.conformance.zoo.roster:FromTomorrow", "py:tests.test_smoke:handheld"]
)
def test_what_is_wired_right_passes_every_check(uri: str) -> None:
    found = smoke(uri)
    assert [(c.name, c.ok, c.advice) for c in found.checks] == [(name, True, "") for name in CHECKS]


def test_real_time_passes_too() -> None:
    assert smoke("py:opalink.protocol.engine.module:Module", clock="real").ok


def test_a_phone_is_checked_as_a_phone() -> None:
    found = smoke("py:opalink.protocol.engine.phone:Phone")
    assert [c.name for c in found.checks if c.ok] == CHECKS
    assert "a phone" in found.checks[1].found


class Handheld(Module):
    """Nobody can take it off from outside: it is on from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 1 << OperationTag.VERSION

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        super().reset(kind, seed, now)
        self.operate(Tlv(OperationTag.ATTACH, AttachOperation()), now)


def handheld() -> Handheld:
    return Handheld()


def test_a_bench_that_cannot_take_it_off_says_so() -> None:
    (leaves,) = (c for c in smoke("py:tests.test_smoke:handheld").checks if c.name == "leaves")
    assert not leaves.made
    assert "not offered" in leaves.found


# ── What comes instead of a greeting ─────────────────────────────────────────────────────────────────


class Saying(Channel):
    """Answers whatever is sent first with some bytes, at once or piece by piece, and then says nothing."""

    def __init__(self, data: bytes, pieces: int = 1 << 20) -> None:
        self._data, self._pieces, self._sent = data, pieces, False

    def send(self, data: bytes) -> None:  # noqa: ARG002
        self._sent = True

    def receive(self, timeout: float | None) -> bytes | None:  # noqa: ARG002
        if not self._sent or not self._data:
            return None
        data, self._data = self._data[: self._pieces], self._data[self._pieces :]
        return data

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        pass


class Echoing(Saying):
    """Sends back what it is sent, as it is or as a terminal shows it."""

    def __init__(self, shown: bool) -> None:
        super().__init__(b"")
        self._shown = shown

    def send(self, data: bytes) -> None:
        self._sent = True
        self._data += data.replace(b"\0", b"^@") if self._shown else data


GREETING = encode_Record(bound())
PAYLOAD = GREETING[HEADER:]
NOISE = bytes((7 * i * i + 13) % 256 for i in range(1, 400))


@pytest.mark.parametrize("pieces", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", "serial", "BIND was not answered"),
        (NOISE, "serial", "baud rate"),
        (NOISE, "tcp", "is no record"),
        (bytes(64), "serial", "nobody drives the line"),
        (b"\xff" * 64, "serial", "nobody drives the line"),
        (b"Booting v1.2\r\nready\r\n", "stdio", "'Booting v1.2'"),
        (b"\r\n\r\n> boot\r\n" + GREETING, "serial", "'> boot'"),
        (GREETING + b"bound, waiting\n", "stdio", "no answer"),
        (GREETING[:4][::-1] + GREETING[4:], "tcp", "highest byte first"),
        (GREETING[:HEADER] + b"LAPO" + PAYLOAD[4:], "tcp", "highest byte first"),
        (GREETING[:HEADER] + PAYLOAD[:4] + b"\0" + PAYLOAD[5:], "tcp", "version 0"),
        (GREETING[:HEADER] + b"LOPA" + PAYLOAD[4:], "tcp", "magic"),
        (GREETING[:-3], "stdio", f"{len(GREETING) - 3} of {len(GREETING)} bytes"),
    ],
)
def test_what_comes_instead_of_a_greeting_is_recognised(
    data: bytes, kind: str, words: str, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = over(Saying(data, pieces), monkeypatch, kind)
    if words == "no answer":  # the greeting was right: text among the records is found a step later
        assert "'bound, waiting'" in found.checks[-1].found
        return
    assert words in failed(found, "greets")


@pytest.mark.parametrize("shown", [False, True])
def test_a_line_that_echoes_is_recognised(shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the line echoes" in failed(over(Echoing(shown), monkeypatch, "serial"), "greets")


def test_a_clock_that_is_not_offered_is_no_fault_of_the_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IutUri, "open", lambda *_: Scripted(upon(RecordKind.BIND, bound(clocks=1), instead=True)))
    found = smoke("stdio:x", clock="virtual", patience=0.1)
    assert "does not offer virtual time" in failed(found, "greets")
    assert "offers" in found.checks[-1].advice


def test_an_operation_that_nobody_can_carry_out_gives_a_yes_sayer_away(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Record(RecordKind.CONTROL, payload=encode_ControlResult(ControlResult(1, Outcome.DONE)))
    found = over(Scripted(upon(RecordKind.CONTROL, done, instead=True)), monkeypatch)
    assert "answered DONE" in failed(found, "operations")


def test_a_clock_that_goes_wrong_is_told_with_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    found = over(Scripted(upon(RecordKind.CLOCK, reached(5), instead=True)), monkeypatch)
    assert "R-BEN-031" in failed(found, "clock")


def test_random_bytes_always_end_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(max_examples=200, database=None, deadline=None)
    @given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: GREETING[: len(tail)] + tail))
    def ends(data: bytes) -> None:
        found = over(Saying(data), monkeypatch)
        assert not found.ok
        assert found.checks[-1].found
        assert found.checks[-1].advice

    ends()


# ── Programs ─────────────────────────────────────────────────────────────────────────────────────────


def hostile(habit: str) -> Smoke:
    return smoke(f"stdio:{shlex.join([sys.executable, '-S', transport_hostile.__file__, habit])}", patience=0.4)


@pytest.mark.parametrize(
    ("habit", "check", "words"),
    [
        ("close_at_once", "greets", "ends before it has said anything: exit status 0"),
        ("text", "greets", "'Booting v1.2'"),
        ("stall", "clock", "CLOCK was not answered"),
        ("huge", "clock", "the limit is"),
        ("flood", "clock", "more than"),
        ("die", "clock", "CRASH, killed by SIGABRT, assertion failed"),
        ("close", "clock", "It ends in the middle of it: exit status 0"),
        ("chatter", "clock", "CLOCK was not answered"),
        ("deaf", "clock", "CLOCK was not answered"),
    ],
)
def test_hostile_programs_end_the_checks_where_they_should(habit: str, check: str, words: str) -> None:
    found = hostile(habit)
    early = (
        habit in ("huge", "flood") and len(found.checks) == 2
    )  # what follows an answer may come in one piece with it
    assert words in failed(found, "greets" if early else check)


def test_what_is_not_there_does_not_open(tmp_path: Path) -> None:
    assert "cannot be started" in failed(smoke("stdio:/no/such/program"), "opens")
    assert "Nothing answers" in failed(smoke(f"unix:{tmp_path / 'nobody'}"), "opens")


def test_a_line_whose_ends_are_joined_echoes() -> None:
    """A terminal as it comes: in cooked mode, with its echo on."""
    pytest.importorskip("serial", reason="pyserial is not installed")
    master, other = os.openpty()
    tty.setraw(master)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("opalink.protocol.transport.serial_line._raw", lambda _: None)
            found = smoke(f"serial:{os.ttyname(other)}", patience=0.2)
        assert "BIND was not answered" in failed(found, "greets")
    finally:
        os.close(master)
        os.close(other)


# ── What is wrong behind the greeting ────────────────────────────────────────────────────────────────


class OtherVersion(Altered):
    """Sends packets of another major version."""

    def alter(self, data: bytes) -> bytes:
        return sealed(bytes([data[0] & 0x0F | 0x20]) + data[1:-4])


class Scrambled(Altered):
    """Sends bytes that are no packets."""

    def alter(self, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("uri", "check", "words"),
    [
        ("py:opalink.conformance.zoo.roster:Mute", "attaches", "No BEACON came"),
        ("py:opalink.conformance.zoo.roster:BigEndian", "attaches", "highest byte first"),
        ("py:opalink.conformance.zoo.roster:AlwaysNo", "exchanges", "HELLO was answered"),
        ("py:tests.test_smoke:OtherVersion", "attaches", "another version"),
        ("py:tests.test_smoke:Scrambled", "attaches", "is no packet"),
    ],
)
def test_what_is_wrong_with_packets_is_told(uri: str, check: str, words: str) -> None:
    assert words in failed(smoke(uri), check)


class Returning(Module):
    """Comes back once, and not again."""

    attached = 0

    def operate(self, operation: Tlv, now: int) -> Any:
        if operation.tag == OperationTag.ATTACH:
            self.attached += 1
            if self.attached > 1:
                return Outcome.DONE, ()
        return super().operate(operation, now)


def test_a_module_that_does_not_come_back_is_told() -> None:
    assert "No BEACON came" in failed(smoke("py:tests.test_smoke:Returning"), "leaves")


class Sticky(Module):
    """Remembers across BIND that it was there, and then keeps silent."""

    begun = 0

    def reset(self, *arguments: Any) -> None:
        self.begun += 1
        super().reset(*arguments)

    def outbox(self) -> Any:
        sent = super().outbox()
        return [] if self.begun > 2 else sent


def test_a_module_that_does_not_begin_anew_is_told() -> None:
    assert "No BEACON came" in failed(smoke("py:tests.test_smoke:Sticky"), "restarts")


def test_a_crash_in_this_process_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Module, "operate", fall)
    found = over(LocalChannel(Module), monkeypatch)
    assert "ZeroDivisionError: a defect" in failed(found, "attaches")


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def run(*args: str, code: Exit) -> Result:
    result = CliRunner().invoke(cli, ["smoke", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def test_the_exit_code_says_whether_the_wiring_is_right() -> None:
    assert run(MODULE, code=Exit.CONFORMANT).output.count("ok ") == len(CHECKS)
    wrong = run("stdio:cat", code=Exit.TESTER_FAULT)
    assert "WRONG greets" in wrong.output
    assert "echoes" in wrong.output
    assert "no URI" in run("nonsense", code=Exit.USAGE).output
    run(MODULE, "--patience", "0", code=Exit.USAGE)


def test_machines_read_the_same() -> None:
    found = json.loads(run("stdio:cat", "--json", code=Exit.TESTER_FAULT).output)
    assert (found["uri"], found["ok"]) == ("stdio:cat", False)
    assert [c["name"] for c in found["checks"]] == CHECKS[:2]
    assert found["checks"][1]["advice"]


def test_what_a_peer_says_reaches_a_terminal_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    greeting = encode_Record(bound(name=b"\x1b[2Jred"))
    monkeypatch.setattr(IutUri, "open", lambda *_: Saying(greeting))
    assert "\x1b" not in run("stdio:x", "--patience", "0.1", code=Exit.TESTER_FAULT).output
