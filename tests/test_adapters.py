"""Adapters: every way to reach an implementation works, and none is hurt by what stands at its other end.

Plan: URIs · serial lines · pseudo-terminals · libraries · hostile peers at every adapter.
"""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import tty
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from opalink.protocol.packets import AttachOperation, Lane, OperationTag
from opalink.protocol.transport import Bench, BenchError, BindingError, Closed, Hang, IutUri, Unreachable, UriError
from opalink.protocol.transport import library as libraries
from opalink.protocol.transport.framing import HEADER, LIMIT
from opalink.protocol.transport.library import BENCH, HEADERS
from opalink.protocol.transport.serial_line import PtyChannel
from tests import transport_hostile
from tests.transport_hostile import HABITS
from tests.transport_puppet import COMMAND

needs_pyserial = pytest.mark.skipif(find_spec("serial") is None, reason="pyserial is not installed")


def _compiler() -> list[str]:
    try:
        return libraries.compiler()
    except Unreachable:
        return []


CC = _compiler()
needs_compiler = pytest.mark.skipif(not CC, reason="no C compiler is installed")
PUPPET = [*shlex.split(COMMAND), "stdio:"]
HOSTILE = [sys.executable, "-S", str(Path(transport_hostile.__file__))]


def use(uri: str, sends: int = 1, **choices: Any) -> None:
    """Bind, attach, and send packets with some time between them."""
    with Bench.open(uri, **choices) as bench:
        bench.control(OperationTag.ATTACH, AttachOperation())
        for _ in range(sends):
            bench.send(bytes(LIMIT), Lane.LASER)
            bench.run(bench.now + 1)


# ── URIs ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "uri",
    [
        "serial:", "serial:?baud=9600", "serial:/dev/x?baud=fast", "serial:/dev/x?baud=0", "serial:/dev/x?baud",
        "serial:/dev/x?speed=9600", "serial:/dev/x?flow=xonxoff", "serial:/dev/x?wait=-1", "serial:/dev/x?wait=nan",
        "serial:/dev/x?wait=99", "serial:a\0b", "pty:a\0b", "cabi:", "cabi:a\0b",
    ],
)  # fmt: skip
def test_a_uri_that_names_nothing_is_refused_in_a_sentence(uri: str) -> None:
    with pytest.raises(UriError) as error:
        IutUri.parse(uri)
    assert str(error.value).startswith(uri.partition(":")[0])
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    "uri", ["serial:/dev/x", "serial:/dev/x?baud=921600&flow=rtscts&wait=1.5", "pty:", "pty:/tmp/x", "cabi:./x.so"]
)
def test_a_uri_is_read_back_as_it_was_written(uri: str) -> None:
    assert str(IutUri.parse(uri)) == uri


# ── Serial lines ─────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def on_a_line(command: list[str], before: bytes = b"") -> Iterator[str]:
    """A program at one end of a pseudo-terminal; the name of the other end, on which `before` has been said."""
    master, other = os.openpty()
    tty.setraw(other)
    os.write(master, before)
    running = subprocess.Popen(command, stdin=master, stdout=master, stderr=subprocess.DEVNULL)
    os.close(master)
    try:
        yield os.ttyname(other)
    finally:
        running.kill()
        running.wait()
        os.close(other)


@needs_pyserial
def test_a_module_on_a_serial_line() -> None:
    with on_a_line(PUPPET) as name, Bench.open(f"serial:{name}?baud=921600") as bench:
        bench.control(OperationTag.ATTACH, AttachOperation())
        for n in (3, 4, 10, 13, 17, 19, 26, 28, 127, 256):  # sizes, and so bytes, that a terminal has its own use for
            bench.send(f"echo {n} 1".encode(), Lane.LASER)
        bench.run(17)
        assert [len(a.data) for a in bench.arrivals] == [3, 4, 10, 13, 17, 19, 26, 28, 127, 256]


@needs_pyserial
def test_what_a_line_has_said_before_is_none_of_the_binding() -> None:
    with on_a_line(PUPPET, b"ROM boot\r\n\xff\x00" * 50) as name, Bench.open(f"serial:{name}") as bench:
        assert bench.peer.name == b"puppet"


@needs_pyserial
def test_a_line_that_goes_away_is_a_connection_that_closed() -> None:
    with on_a_line([*HOSTILE, "close"]) as name, pytest.raises(Closed):
        use(f"serial:{name}", patience=1)


@needs_pyserial
@pytest.mark.parametrize("path", ["/dev/null", "/no/such/line"])
def test_what_is_no_serial_line_is_unreachable(path: str) -> None:
    with pytest.raises(Unreachable, match=re.escape(path)):
        IutUri.parse(f"serial:{path}").open()


def test_without_pyserial_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(Unreachable, match=r"pip install 'opalink\[serial\]'"):
        IutUri.parse("serial:/dev/x").open()


# ── Pseudo-terminals ─────────────────────────────────────────────────────────────────────────────────


class Firmware(threading.Thread):
    """Opens a line as soon as it is there, and has a program speak on it."""

    def __init__(self, path: Path, command: list[str]) -> None:
        super().__init__(daemon=True)
        self._path, self._command = path, command
        self.start()

    def run(self) -> None:
        until = time.monotonic() + 30
        while not self._path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        fd = os.open(self._path, os.O_RDWR | os.O_NOCTTY)
        try:
            self.running = subprocess.Popen(self._command, stdin=fd, stdout=fd, stderr=subprocess.DEVNULL)
        finally:
            os.close(fd)
        self.running.wait()


@contextlib.contextmanager
def firmware(path: Path, command: list[str]) -> Iterator[str]:
    thread = Firmware(path, command)
    try:
        yield f"pty:{path}"
    finally:
        with contextlib.suppress(AttributeError):
            thread.running.kill()
        thread.join(30)


def test_firmware_opens_the_line_that_is_made_for_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with firmware(tmp_path / "line", PUPPET) as uri:
        with Bench.open(uri) as bench:
            bench.control(OperationTag.ATTACH, AttachOperation())
            bench.send(b"echo 65555 2", Lane.LASER)
            bench.run(10)
            assert [len(a.data) for a in bench.arrivals] == [LIMIT, LIMIT]
            assert bench.alive()
        assert not os.path.lexists(tmp_path / "line")
    assert str(tmp_path / "line") in capfd.readouterr().err


def test_a_line_that_nobody_opens_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"Nobody has opened /dev/"):
        PtyChannel("", 1, attendance=0.05)


def test_a_link_takes_no_files_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(Unreachable, match="No link"):
        PtyChannel(str(tmp_path / "file"), 1, attendance=0.05)
    assert (tmp_path / "file").read_text() == "precious"


# ── Libraries ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of `transport_library.c`. The runner is compiled only once for all tests."""
    if not CC:
        pytest.skip("no C compiler is installed")
    out = tmp_path_factory.mktemp("library") / "libhabit.so"
    source = Path(__file__).with_name("transport_library.c")
    folders = [x for path in HEADERS for x in ("-I", str(path.parent))]
    subprocess.run(
        [*CC, "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-shared", "-fPIC", *folders, "-o", out, source], check=True
    )
    return out


@pytest.fixture(scope="module", autouse=True)
def kept_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of our own, so that nothing stands in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def test_a_library_serves_and_what_it_prints_is_no_record(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HABIT", "print")
    with Bench.open(f"cabi:{library}") as bench:
        assert bench.peer.name == b"library"
        assert bench.virtual
        bench.control(OperationTag.ATTACH, AttachOperation())
        bench.run(10)
        assert bench.alive()


@pytest.mark.parametrize(
    ("habit", "fault", "evidence"),
    [
        ("crash", Closed, "killed by SIGABRT"),
        ("exit", Closed, "exit status 7"),
        ("overrun", Closed, "more than there is room for"),
        ("oversize", Closed, "more than there is room for"),
        ("restless", Closed, "again and again at the same time"),
        ("silence", Hang, "still running"),
        ("flood", BenchError, ""),
    ],
)
def test_a_library_that_falls_is_an_implementation_that_crashed(
    library: Path, monkeypatch: pytest.MonkeyPatch, habit: str, fault: type[BenchError], evidence: str
) -> None:
    monkeypatch.setenv("HABIT", habit)
    with pytest.raises(fault) as error:
        use(f"cabi:{library}", patience=2, flood=1 << 20)
    assert evidence in error.value.evidence


@pytest.mark.parametrize(
    ("habit", "sentence"),
    [
        ("no table", "returned NULL"),
        ("other version", "another version of opal_iut.h"),
        ("no member", "a member that is NULL"),
        ("crash when loaded", "killed by SIGABRT"),
        ("hang when loaded", "does not come to life"),
    ],
)
def test_a_library_that_is_no_implementation_is_unreachable(
    library: Path, monkeypatch: pytest.MonkeyPatch, habit: str, sentence: str
) -> None:
    monkeypatch.setenv("HABIT", habit)
    with pytest.raises(Unreachable, match=sentence):
        IutUri.parse(f"cabi:{library}").open(patience=0.3)


@needs_compiler
def test_a_file_that_is_no_library_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(Unreachable, match="cannot be loaded"):
        IutUri.parse(f"cabi:{tmp_path / 'text.so'}").open()
    with pytest.raises(Unreachable, match="There is no library"):
        IutUri.parse(f"cabi:{tmp_path / 'nothing.so'}").open()


def test_without_a_compiler_a_sentence_says_so(library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uri = IutUri.parse(f"cabi:{library}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "/no/such/compiler")
    with pytest.raises(Unreachable, match="/no/such/compiler cannot be started"):
        uri.open()
    monkeypatch.setenv("CC", "false")
    with pytest.raises(Unreachable, match="cannot be compiled with false"):
        uri.open()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unreachable, match="needs a C compiler"):
        uri.open()
    assert not any((tmp_path / "opalink").iterdir())


def test_a_cache_that_cannot_be_written_is_a_sentence(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.raises(Unreachable, match="cannot be kept in /dev/null"):
        IutUri.parse(f"cabi:{library}").open()


STRICT = "-std=c99 -Wall -Wextra -pedantic -Wconversion -Wshadow -Wcast-qual -Wstrict-prototypes -Werror".split()


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("source", ["transport/opal_bench.c", "transport/opal_runner.c", "template.c"])
def test_compilers_have_nothing_to_say(name: str, source: str) -> None:
    if not (found := shutil.which(name)):
        pytest.skip(f"{name} is not installed")
    folders = [x for path in HEADERS for x in ("-I", str(path.parent))]
    path = HEADERS[0].parent.parent / source
    done = subprocess.run(
        [found, *STRICT, *folders, "-fsyntax-only", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_headers_serve_cpp(tmp_path: Path) -> None:
    if not (found := shutil.which("g++")):
        pytest.skip("g++ is not installed")
    (tmp_path / "user.cpp").write_text('#include "opal_bench.h"\nint main() { return opal_iut_get() ? 0 : 1; }\n')
    options = ["-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-I", str(HEADERS[0].parent)]
    subprocess.run([found, *options, tmp_path / "user.cpp"], check=True)


def test_the_header_has_room_for_the_longest_record() -> None:
    (room,) = re.findall(r"OPAL_IUT_ROOM (\d+)u", HEADERS[0].read_text())
    (header,) = re.findall(r"HEADER = (\d+)", BENCH[0].read_text())
    assert (int(room), int(header)) == (LIMIT, HEADER)


# ── Hostile peers at every adapter ───────────────────────────────────────────────────────────────────

Opening = Callable[[str, Path], contextlib.AbstractContextManager[str]]


@contextlib.contextmanager
def _stdio(habit: str, _: Path) -> Iterator[str]:
    yield f"stdio:{shlex.join([*HOSTILE, habit])}"


@contextlib.contextmanager
def _serial(habit: str, _: Path) -> Iterator[str]:
    with on_a_line([*HOSTILE, habit]) as name:
        yield f"serial:{name}"


@contextlib.contextmanager
def _pty(habit: str, folder: Path) -> Iterator[str]:
    with firmware(folder / "line", [*HOSTILE, habit]) as uri:
        yield uri


@contextlib.contextmanager
def _listening(listener: socket.socket, habit: str, uri: str) -> Iterator[str]:
    """A server that hands its first connection to the hostile program."""
    running: list[Any] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            connected, _ = listener.accept()
            with connected:
                fd = connected.fileno()
                running.append(subprocess.Popen([*HOSTILE, habit], stdin=fd, stdout=fd, stderr=subprocess.DEVNULL))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield uri
    finally:
        thread.join(10)
        listener.close()
        for process in running:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _tcp(habit: str, _: Path) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    with _listening(listener, habit, f"tcp:127.0.0.1:{listener.getsockname()[1]}") as uri:
        yield uri


@contextlib.contextmanager
def _unix(habit: str, folder: Path) -> Iterator[str]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "s"))
    listener.listen()
    with _listening(listener, habit, f"unix:{folder / 's'}") as uri:
        yield uri


ADAPTERS: dict[str, Opening] = {"stdio": _stdio, "serial": _serial, "pty": _pty, "tcp": _tcp, "unix": _unix}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("adapter", [pytest.param(a, marks=needs_pyserial if a == "serial" else ()) for a in ADAPTERS])
def test_a_hostile_peer_costs_neither_memory_nor_time(adapter: str, habit: str, tmp_path: Path) -> None:
    """It ends in an error of the bench's, with what was seen; what the tester keeps meanwhile does not grow."""
    flood = 1 << 20
    tracemalloc.start()
    try:
        with ADAPTERS[adapter](habit, tmp_path) as uri, pytest.raises(BenchError) as error:
            use(uri, sends=600, patience=0.4, flood=flood)  # more than any pipe holds
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error.value, (Closed, Hang, BindingError))
    assert peak < 4 * flood + (8 << 20)


def test_the_last_words_of_a_crash_are_kept_and_the_flood_before_them_is_not() -> None:
    with pytest.raises(Closed) as error:
        use(f"stdio:{shlex.join([*HOSTILE, 'die'])}")
    assert error.value.evidence == "killed by SIGABRT\nassertion failed\n"
