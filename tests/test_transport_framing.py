"""Records, channels and URIs: what lies under both sides of the binding.

Plan: records out of bytes · channels · programs · URIs.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint, EntryPoints
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.packets.enums import Lane, RecordKind
from opalink.protocol.transport import BindingError, Channel, Closed, Hang, IutUri, Unreachable, UriError
from opalink.protocol.transport import uri as uris
from opalink.protocol.transport.channel import STDERR, ProcessChannel, SocketChannel, connect
from opalink.protocol.transport.framing import HEADER, LIMIT, RecordReader

PYTHON = sys.executable

# ── Records out of bytes ─────────────────────────────────────────────────────────────────────────────

records = st.builds(
    Record,
    kind=st.sampled_from(RecordKind) | st.integers(6, 255),
    lane=st.sampled_from(Lane) | st.integers(3, 255),
    timed=st.integers(0, 1),
    time=st.integers(0, (1 << 64) - 1),
    payload=st.binary(max_size=100),
)


@given(st.lists(records, max_size=8), st.lists(st.integers(0, 400)))
def test_any_chunking_gives_the_same_records(sent: list[Record], cuts: list[int]) -> None:
    stream = b"".join(map(encode_Record, sent))
    places = sorted({0, len(stream), *(c for c in cuts if c < len(stream))})
    reader = RecordReader()
    found = [r for a, b in pairwise(places) for r in reader.feed(stream[a:b])]
    assert found == sent


def test_byte_by_byte_the_longest_record_takes_no_quadratic_time() -> None:
    record = Record(RecordKind.PACKET, Lane.LASER, payload=bytes(LIMIT))
    reader, stream = RecordReader(), encode_Record(record)
    found = [r for i in range(len(stream)) for r in reader.feed(stream[i : i + 1])]
    assert found == [record]


def test_a_record_above_the_limit_is_refused_by_its_header_alone() -> None:
    good = encode_Record(Record(RecordKind.LOG))
    feeding = RecordReader().feed(good + (LIMIT + 1).to_bytes(4, "little") + bytes(HEADER - 4))
    assert next(feeding) == Record(RecordKind.LOG)
    with pytest.raises(BindingError) as error:
        next(feeding)
    assert error.value.rule == "R-BEN-005"


def test_what_a_reader_holds_is_less_than_a_record() -> None:
    reader = RecordReader()
    stream = encode_Record(Record(RecordKind.PACKET, payload=bytes(1000))) * 1000
    for i in range(0, len(stream), 777):
        list(reader.feed(stream[i : i + 777]))
        assert len(reader._held) < HEADER + 1000


# ── Channels ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pair() -> Iterator[tuple[SocketChannel, SocketChannel]]:
    a, b = socket.socketpair()
    with SocketChannel(a, 0.3) as one, SocketChannel(b, 0.3) as other:
        yield one, other


def test_a_channel_carries_bytes_and_tells_silence_from_the_end(pair: tuple[SocketChannel, SocketChannel]) -> None:
    one, other = pair
    one.send(b"abc")
    assert other.receive(1) == b"abc"
    assert other.receive(0) is None
    begun = time.monotonic()
    assert other.receive(0.0125) is None
    assert time.monotonic() - begun >= 0.0125
    assert other.alive()
    one.send(b"last")
    one.close()
    one.close()
    assert not other.alive()
    assert other.receive(1) == b"last"
    assert other.receive(1) == b""
    assert other.receive(1) == b""
    for closed in (one, other):
        with pytest.raises(Closed):
            closed.send(b"x")


def test_a_peer_that_takes_nothing_is_a_hang(pair: tuple[SocketChannel, SocketChannel]) -> None:
    with pytest.raises(Hang):
        pair[0].send(bytes(8 << 20))


def exchanged(channel: Channel, data: bytes) -> bytes:
    """What came back, after sending and while."""
    channel.send(data)
    got = b""
    while len(got) < len(data) and (more := channel.receive(10)):
        got += more
    return got


def test_both_sides_may_talk_at_once(pair: tuple[SocketChannel, SocketChannel]) -> None:
    """Both send more than the socket holds before either reads but for the sake of sending."""
    data = bytes(range(256)) * 4096
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(exchanged, pair[1], data)
        assert exchanged(pair[0], data) == data
        assert other.result(10) == data


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address: tuple[str, int] = server.getsockname()
    with pytest.raises(Unreachable, match="Nothing answers at 127"):
        connect(address)
    with pytest.raises(Unreachable, match="Nothing answers at /"):
        connect(str(tmp_path / "none"))
    with pytest.raises(Unreachable, match="cannot be started"):
        ProcessChannel(["/no/such/program"])


# ── Programs ─────────────────────────────────────────────────────────────────────────────────────────


def program(text: str, patience: float = 10) -> ProcessChannel:
    return ProcessChannel([PYTHON, "-c", f"import os, sys, time\n{text}"], patience)


def to_the_end(channel: Channel) -> bytes:
    got = b""
    while data := channel.receive(10):
        got += data
    assert data == b""
    return got


def test_a_program_is_spoken_to_and_ends_when_its_input_does() -> None:
    with program("sys.stdout.buffer.write(sys.stdin.buffer.read(3)[::-1]); sys.stdout.flush(); sys.stdin.read()") as p:
        p.send(b"abc")
        assert p.receive(10) == b"cba"
        assert p.alive()
        assert p.evidence() == "still running"
    assert p.evidence() == "exit status 0"
    assert not p.alive()


def test_how_a_program_died_and_its_last_words_are_evidence() -> None:
    with program("sys.stderr.write('so it ends'); sys.stderr.flush(); os.abort()") as p:
        assert to_the_end(p) == b""
        assert p.evidence() == "killed by SIGABRT\nso it ends"
        assert not p.alive()


def test_stderr_never_blocks_a_program_and_its_end_is_kept() -> None:
    with program("sys.stderr.write('x' * 1_000_000 + 'end'); sys.stderr.flush(); sys.stdout.write('done')") as p:
        assert to_the_end(p) == b"done"
        said = p.evidence().partition("\n")[2]
    assert len(said) == STDERR
    assert said.endswith("xend")


def test_stderr_is_taken_while_sending() -> None:
    """The program reads only once its complaints have been heard."""
    complain = "sys.stderr.write('x' * 1_000_000); sys.stderr.flush()"
    with program(f"{complain}; print(len(sys.stdin.buffer.read(500_000)))") as p:
        p.send(bytes(500_000))
        assert to_the_end(p) == b"500000\n"


def test_a_program_that_will_not_end_is_ended_with_all_that_it_started() -> None:
    with program("os.fork(); os.write(1, b'%d ' % os.getpid()); time.sleep(600)") as p:
        pids = [int(x) for x in (p.receive(10) or b"").split()]
        while len(pids) < 2:
            pids += [int(x) for x in (p.receive(10) or b"").split()]
    assert p.evidence() == "killed by SIGKILL"
    for pid in pids:
        state = Path(f"/proc/{pid}/stat")
        until = time.monotonic() + 10
        while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < until:
            time.sleep(0.01)
        assert not state.exists() or state.read_text().split()[2] == "Z"


# ── URIs ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "tcp:localhost:7000",
        "tcp:[::1]:7000",
        "unix:/run/iut.sock",
        "stdio:./iut --flag 'two words'",
        "py:acme.module:make.it",
        "sim:four-thirds",
    ],
)
def test_a_uri_is_read_and_written(text: str) -> None:
    assert str(IutUri.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "four-thirds", "carrier-pigeon:coop", "tcp:", "tcp:host", "tcp::1", "tcp:host:", "tcp:host:x",
        "tcp:host:65536", "tcp:::1:80", "tcp:host:²", "unix:", "unix:" + "x" * 200, "stdio:", "stdio:'open", "py:",
        "py:module", "py:module:", "py:a b:c", "py:.a:c", "sim:", "sim:-x",
    ],
)  # fmt: skip
def test_what_names_nothing_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UriError) as error:
        IutUri.parse(text)
    assert isinstance(error.value, ValueError)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_a_command_is_split_as_a_shell_would() -> None:
    assert uris.command_line("./iut --name 'two words'") == ["./iut", "--name", "two words"]


class Silent(Channel):
    def __init__(self, rest: str) -> None:
        self.rest = rest

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def receive(self, timeout: float | None) -> bytes | None:
        raise NotImplementedError

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        pass


def test_third_parties_add_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "opalink_test_plugin"
    monkeypatch.setitem(sys.modules, here, sys.modules[__name__])
    found = {"silent": f"{here}:Silent", "odd": "builtins:str"}
    points = EntryPoints(EntryPoint(name, value, uris.ENTRY_POINTS) for name, value in found.items())
    monkeypatch.setattr(uris, "entry_points", points.select)
    channel = IutUri.parse("silent:as:the grave").open()
    assert isinstance(channel, Silent)
    assert channel.rest == "as:the grave"
    with pytest.raises(UriError, match=r"odd, pty, py, serial, silent"):
        IutUri.parse("loud:")
    with pytest.raises(Unreachable, match="made no channel"):
        IutUri.parse("odd:").open()


def test_an_object_is_found_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_iut.py").write_text("class Shelf:\n    make = list\nnumber = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert uris.factory("acme_iut:Shelf.make") is list
    for wrong in ("acme_iut:absent", "acme_iut:number", "no_such_module_at_all:x"):
        with pytest.raises(Unreachable):
            uris.factory(wrong)


def test_importing_transport_loads_no_construct() -> None:
    code = "import sys, opalink.protocol.transport; sys.exit('construct' in sys.modules)"
    assert subprocess.run([PYTHON, "-c", code], check=False).returncode == 0
