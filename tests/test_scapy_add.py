"""A field is declared once: one line in its chapter and `generate all`, and scapy's layer has it.

The test does this in a copy of the checkout, and asks scapy about the field in a process of its own.

Plan: the copy · what scapy knows of it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("spec", "protocol", "conformance", "fuzz", "docs")
BEFORE = 'f("off_time"'
LINE = 'f("gentleness", u16, "How slowly the supply goes down.", unit="ms", hi=500, since="1.1"),\n        '

QUESTIONS = """
import json
import opalink.protocol.scapy as layers
from opalink.protocol import codec, packets
body = layers.PwrReset(level="HARD", gentleness=250, off_time=30)
data = bytes(layers.OpalPacket() / body)
print(json.dumps({
    "place": layers.__file__,
    "fields": [f.name for f in body.fields_desc],
    "shown": body.show(dump=True),
    "dissected": layers.OpalPacket(data).gentleness,
    "same": codec.encode(codec.event(packets.PwrReset(level=1, gentleness=250, off_time=30))) == data,
    "fault": str(layers.OpalPacket(bytes(layers.OpalPacket() / layers.PwrReset(gentleness=501))).fault),
}))
"""


def run(checkout: Path, *args: str) -> str:
    """What Python prints in the copy, where it finds the copy's packages before any that are installed."""
    done = subprocess.run(
        [sys.executable, *args],
        cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ── The copy ─────────────────────────────────────────────────────────────────────────────────────────


def sources(checkout: Path) -> dict[Path, bytes]:
    """Every module that is not generated."""
    found = (p for name in FOLDERS for p in (checkout / name).rglob("*.py"))
    return {p: p.read_bytes() for p in found if "packets" not in p.parts}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy says in which PWR_RESET has one more field."""
    copy = tmp_path_factory.mktemp("checkout")
    without = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=without)
    shutil.copytree(ROOT / "opalink", copy / "opalink", symlinks=True, ignore=without)
    chapter = copy / "spec" / "power.py"
    text = chapter.read_text()
    assert text.count(BEFORE) == 1
    chapter.write_text(text.replace(BEFORE, LINE + BEFORE))
    before = sources(copy)
    run(copy, "-m", "opalink", "generate", "all")
    assert sources(copy) == before  # nothing had to be edited, nor was
    found: dict[str, Any] = json.loads(run(copy, "-c", QUESTIONS))
    assert Path(found["place"]).is_relative_to(copy)
    return found


# ── What scapy knows of it ───────────────────────────────────────────────────────────────────────────


def test_the_layer_has_the_field_in_its_place(answers: dict[str, Any]) -> None:
    fields = answers["fields"]
    assert fields.index("gentleness") + 1 == fields.index("off_time")


def test_the_layer_shows_it_with_its_unit(answers: dict[str, Any]) -> None:
    assert "gentleness= 250 ms" in answers["shown"]


def test_the_layer_reads_and_writes_it_as_our_codec_does(answers: dict[str, Any]) -> None:
    assert answers["dissected"] == 250
    assert answers["same"]


def test_the_layer_knows_its_bounds(answers: dict[str, Any]) -> None:
    assert "PWR_RESET.event.gentleness" in answers["fault"]
    assert "is 501, must be 0 to 500" in answers["fault"]
