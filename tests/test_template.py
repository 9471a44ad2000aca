"""The templates that vendors begin from, in Python and in C: what the README promises of them.

Plan: in Python · in C.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from opalink.protocol import codec
from opalink.protocol.packets import (
    AttachOperation,
    Hello,
    Lane,
    OperationTag,
    Status,
    Vendor,
    VendorResponse,
)
from opalink.protocol.template import VENDOR, Request
from opalink.protocol.transport import Bench
from opalink.protocol.transport.library import BENCH, HEADERS
from opalink.spec.form import MS
from tests.test_adapters import CC, needs_compiler


def opalink(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "opalink", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


# ── In Python ────────────────────────────────────────────────────────────────────────────────────────


def test_the_quick_start_ends_in_a_certificate(tmp_path: Path) -> None:
    assert opalink(tmp_path, "module", "template", "my_module.py").returncode == 0
    iut = f"stdio:{sys.executable} my_module.py"
    assert opalink(tmp_path, "smoke", iut).returncode == 0
    probed = opalink(tmp_path, "probe", iut, "-o", "pics.toml")
    assert probed.returncode == 0, probed.stderr
    assert "macro-tube" in (tmp_path / "pics.toml").read_text()
    certified = opalink(tmp_path, "certify", iut, "--pics", "pics.toml", "--plan", "quick")
    assert certified.returncode == 0, certified.stdout
    assert "CONFORMANT" in certified.stdout + certified.stderr


def test_a_template_is_never_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    assert opalink(tmp_path, "module", "template", "mine.py").returncode == 2
    assert (tmp_path / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("ask", "status", "data"),
    [
        (Vendor(oui=VENDOR, sub=Request.READ_SERIAL), Status.OK, b"0000000000000001"),
        (Vendor(oui=VENDOR, sub=Request.ECHO, data=b"hello"), Status.OK, b"hello"),
        (Vendor(oui=VENDOR, sub=99), Status.NO_SUCH_ID, None),
        (Vendor(oui=VENDOR + 1, sub=Request.ECHO), Status.NO_SUCH_ID, None),
    ],
)
def test_its_own_requests_are_answered(ask: Vendor, status: Status, data: bytes | None) -> None:
    with Bench.open("py:opalink.protocol.template:make", clock="virtual") as bench:
        bench.control(OperationTag.ATTACH, AttachOperation())
        bench.run(300 * MS)
        for txn, body in enumerate((Hello(phone_nonce=1), ask), 1):
            bench.send(codec.encode(codec.request(body, txn)), Lane.SIDEBAND)
            bench.run(bench.now + 50 * MS)
        answers = {p.txn: p for p in (codec.decode(a.data) for a in bench.arrivals) if p.rsp}
    assert answers[2].status is status
    if data is not None:
        assert answers[2].body == VendorResponse(data=data)


# ── In C ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the template in C was written."""
    folder = tmp_path_factory.mktemp("in_c")
    done = opalink(folder, "module", "template", "my_module.c")
    assert done.returncode == 0, done.stderr
    return folder


def shown(folder: Path, start: str) -> list[str]:
    """The command that the template's own text shows, as words."""
    lines = (line.removeprefix(" *").strip() for line in (folder / "my_module.c").read_text().splitlines())
    command = next(line for line in lines if line.startswith(start))
    return [*CC, *shlex.split(command)[1:], "-Wall", "-Wextra", "-pedantic", "-Werror"]


@needs_compiler
def test_the_template_in_c_is_wired_right(in_c: Path) -> None:
    subprocess.run(shown(in_c, "cc -std=c99 -o"), cwd=in_c, check=True)
    smoked = opalink(in_c, "smoke", "stdio:./my_module")
    assert smoked.returncode == 0, smoked.stdout
    assert smoked.stdout.count("ok ") == 8
    assert opalink(in_c, "smoke", "stdio:./my_module", "--clock", "real").returncode == 0


@needs_compiler
def test_the_template_in_c_is_a_library_too(in_c: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_c / "cache"))
    subprocess.run(shown(in_c, "cc -std=c99 -shared"), cwd=in_c, check=True)
    smoked = opalink(in_c, "smoke", "cabi:./my_module.so")
    assert smoked.returncode == 0, smoked.stdout


def test_what_the_template_in_c_is_compiled_with_is_never_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "opal.h").write_text("precious")
    assert opalink(tmp_path, "module", "template", "mine.c").returncode == 2
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("opal.h", "precious")]
    assert opalink(tmp_path, "module", "template", "opal.c").returncode == 2


def test_beside_the_template_in_c_stand_the_files_of_this_version(in_c: Path) -> None:
    for path in (*HEADERS, *BENCH):
        assert (in_c / path.name).read_bytes() == path.read_bytes()
    assert opalink(in_c, "module", "template", "other.c").returncode == 0


def test_a_template_is_in_a_language_that_there_is(tmp_path: Path) -> None:
    assert "must end in .py or .c" in opalink(tmp_path, "module", "template", "module.rs").stderr
