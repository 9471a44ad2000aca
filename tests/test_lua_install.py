"""`opalink wireshark install`: where the dissector goes, and what is said where it cannot.

Plan: a folder of one's own · Wireshark's folder · none.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from opalink.protocol.generate.lua import NAME, files
from opalink.protocol.ir.load import catalogue
from opalink.protocol.wireshark_commands import wireshark

FOLDERS = 'echo "Temp:                   /tmp"; echo "Personal Lua Plugins:   {}"'


def tshark(folder: Path, script: str) -> None:
    """A program of that name that says what it is told to."""
    program = folder / "tshark"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_dissector_goes_where_it_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(wireshark, ["install", "--dir", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert (tmp_path / "new" / NAME).read_bytes() == files(catalogue())[NAME]


def test_without_a_folder_it_goes_to_wiresharks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tshark(tmp_path, FOLDERS.format(tmp_path / "plugins"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    done = CliRunner().invoke(wireshark, ["install"])
    assert (done.exit_code, (tmp_path / "plugins" / NAME).exists()) == (0, True)


@pytest.mark.parametrize(
    ("script", "word"),
    [("", "not installed"), ("exit 3", "does not tell"), ("echo Temp: /tmp", "built without Lua")],
)
def test_where_there_is_no_folder_one_sentence_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, word: str
) -> None:
    if script:
        tshark(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(wireshark, ["install"])
    assert done.exit_code == 5
    assert word in done.output
    assert "Traceback" not in done.output
