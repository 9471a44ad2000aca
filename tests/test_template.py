"""The template that vendors begin from: what the README promises of it."""

import os
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
from opalink.spec.form import MS


def opalink(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "opalink", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_quick_start_ends_in_a_certificate(tmp_path: Path) -> None:
    assert opalink(tmp_path, "module", "template", "my_module.py").returncode == 0
    iut = f"stdio:{sys.executable} my_module.py"
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
