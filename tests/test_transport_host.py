"""Standing on the implementation's side: what a tester sends ends at worst its own connection.

Plan: endpoints and what they are sent · one connection · listening.
"""

import logging
import socket
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opalink.protocol.packets.bodies import Bind, ClockSet, decode_Log, encode_Bind, encode_ClockSet
from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.packets.enums import ClockMode, Lane, Outcome, Plane, RecordKind
from opalink.protocol.transport import Listener, UriError, listen, serve
from opalink.protocol.transport.channel import SocketChannel, connect
from opalink.protocol.transport.framing import RecordReader
from opalink.spec.form import Role

# ── Endpoints and what they are sent ─────────────────────────────────────────────────────────────────


class Mute:
    """Takes everything and says nothing."""

    role = Role.PHONE
    name = "mute"
    operations = 0

    def receive(self, *_: Any) -> None:
        pass

    advance = reset = receive

    def deadline(self) -> None:
        return None

    def outbox(self) -> list[Any]:
        return []

    def operate(self, *_: Any) -> tuple[Outcome, tuple[()]]:
        return Outcome.DONE, ()


class Failing(Mute):
    def receive(self, *_: Any) -> None:
        raise ZeroDivisionError("of the endpoint")


BIND = encode_Record(Record(RecordKind.BIND, payload=encode_Bind(Bind(planes=Plane.PACKET, clocks=ClockMode.VIRTUAL))))
PACKET = encode_Record(Record(RecordKind.PACKET, Lane.LASER))
CLOCK = encode_Record(Record(RecordKind.CLOCK, payload=encode_ClockSet(ClockSet(1))))

# ── One connection ───────────────────────────────────────────────────────────────────────────────────


def test_an_endpoint_that_raises_ends_its_connection_with_a_last_word() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(BIND + PACKET)
    with theirs:
        with pytest.raises(ZeroDivisionError):
            serve(Failing, SocketChannel(ours))
        records = list(RecordReader().feed(theirs.recv(4096)))
        assert theirs.recv(1) == b""
    assert records[-1].kind is RecordKind.LOG
    assert b"ZeroDivisionError: of the endpoint" in decode_Log(records[-1].payload, 0, len(records[-1].payload)).text


# ── Listening ────────────────────────────────────────────────────────────────────────────────────────


def talk(listener: Listener, make: Callable[[], Any], data: bytes) -> list[RecordKind | int]:
    """The kinds of what comes back to a tester who sends this and no more."""
    address: Any = listener.uri.partition(":")[2]
    if listener.uri.startswith("tcp:"):
        host, _, port = address.rpartition(":")
        address = (host, int(port))
    got = b""
    with ThreadPoolExecutor(1) as pool, connect(address) as tester:
        serving = pool.submit(listener.serve, make)
        tester.send(data)
        tester._socket.shutdown(socket.SHUT_WR)
        while more := tester.receive(10):
            got += more
        serving.result(10)
    return [record.kind for record in RecordReader().feed(got)]


@pytest.mark.parametrize("uri", ["tcp::0", "tcp:127.0.0.1:0", "unix:{}/iut.sock"])
def test_one_tester_after_the_other_whatever_the_last_one_did(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    good = [RecordKind.BIND, RecordKind.CLOCK]
    with Listener(uri.format(tmp_path)) as listener:
        assert talk(listener, Mute, BIND + PACKET + CLOCK) == good
        assert talk(listener, Mute, b"\xff" * 100) == []
        assert "announces 4294967295 bytes" in caplog.text
        assert talk(listener, Failing, BIND + PACKET + CLOCK) == [RecordKind.BIND, RecordKind.LOG]
        assert "ZeroDivisionError" in caplog.text
        assert talk(listener, Mute, BIND[:5]) == []
        assert talk(listener, Mute, BIND + PACKET + CLOCK) == good
    assert list(tmp_path.iterdir()) == []


def test_a_server_stays_on_loopback_unless_told_otherwise() -> None:
    with Listener("tcp::0") as listener:
        assert listener.uri.startswith("tcp:127.0.0.1:")
        assert not listener.uri.endswith(":0")


def test_a_unix_socket_is_for_its_owner_and_replaces_that_of_a_dead_server(tmp_path: Path) -> None:
    path = tmp_path / "iut.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Listener(f"unix:{path}") as listener:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        with pytest.raises(OSError, match="in use"):
            Listener(f"unix:{path}")
        listener.serve(Mute)  # the other has looked whether anybody is here
        assert talk(listener, Mute, BIND) == [RecordKind.BIND]
    path.write_text("not a socket")
    with pytest.raises(OSError, match="in use"):
        Listener(f"unix:{path}")
    assert path.read_text() == "not a socket"


@pytest.mark.parametrize("uri", ["py:a:b", "sim:x", "stdio:./iut", "nonsense", "tcp:x"])
def test_what_cannot_be_listened_at(uri: str) -> None:
    with pytest.raises(UriError):
        listen(uri, Mute)
