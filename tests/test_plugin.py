"""The campaign as a run of pytest: the verdicts of `certify`, in pytest's words; silence where nobody asks."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opalink.conformance import Options, certify
from opalink.conformance.papers.waivers import signature
from opalink.conformance.verdicts import Exit, Verdict

SELECTION = "MOD/WIRE/ORDER or MOD/DSC/SPDM"
MUTE = "py:opalink.conformance.zoo.roster:Mute"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in a folder of its own, as a vendor would run it."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def campaign(folder: Path, iut: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "--pyargs", "opalink.conformance", "--iut", iut, *more)


def verdicts(folder: Path) -> dict[str, str]:
    report = json.loads((folder / "out/certify/report.json").read_bytes())
    return {x["id"]: x["verdict"] for x in report["tests"]}


def test_its_verdicts_are_those_of_certify(tmp_path: Path) -> None:
    done = campaign(tmp_path, "sim:macro-tube", "-k", SELECTION, "-rs")
    judged = {r.id: r.verdict.value for r in certify("sim:macro-tube", Options(selection=SELECTION)).results}
    assert done.returncode == 0, done.stdout
    assert verdicts(tmp_path) == judged
    passed = sum(v == Verdict.PASS for v in judged.values())
    assert f"{passed} passed" in done.stdout
    assert "CONFORMANT" in done.stdout


def test_a_failure_names_the_requirement_and_what_was_expected(tmp_path: Path) -> None:
    done = campaign(tmp_path, "py:opalink.conformance.zoo.roster:Breaking", "-k", "MOD/WIRE/ORDER", "-x")
    assert done.returncode == 1, done.stdout
    assert "FAIL: with {" in done.stdout
    assert "R-WIRE-021: " in done.stdout
    assert "Expected: " in done.stdout
    assert "Actual: " in done.stdout
    assert "Traceback" not in done.stdout


def test_what_is_inconclusive_is_no_success(tmp_path: Path) -> None:
    done = campaign(tmp_path, MUTE, "-k", "MOD/WIRE/ORDER/BI-crc_version")
    assert done.returncode == 1
    assert "INCONC" in done.stdout
    assert set(verdicts(tmp_path).values()) == {"inconc"}


def test_a_run_in_which_all_that_failed_is_waived_ends_with_7(tmp_path: Path) -> None:
    iut, test = "py:opalink.conformance.zoo.roster:Breaking", "MOD/WIRE/ORDER/BI-fields"
    (failed,) = certify(iut, Options(selection=test)).results
    waiver = f'id = "W-1"\ntest = "{test}"\nverdict = "fail"\nsignature = "{signature(failed)}"\n'
    (tmp_path / "w.toml").write_text(
        f'waivers = 1\n[[waiver]]\n{waiver}bug = "https://bugs.example.com/1"\nexpires = 2999-01-01\n'
    )
    done = campaign(tmp_path, iut, "-k", test, "--iut-waivers", "w.toml", "-rs")
    assert done.returncode == Exit.KNOWN, done.stdout + done.stderr
    assert "Waived by W-1" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--iut", "sim:macro-tube", "-k", "no_such_purpose"), 5, "NOTHING-RAN"),
        (("--iut", "bogus:x"), 2, "of an unknown kind"),
        (("--iut", "stdio:/nowhere/module"), 2, "cannot be started"),
        (("--iut", "sim:macro-tube", "--iut-seed", "-1"), 4, "--iut-seed is from 0"),
        (("--iut", "sim:macro-tube", "-n", "2"), 4, "one process"),
        (("--iut", "sim:macro-tube", "--iut-pics", "missing.toml"), 2, "missing.toml"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(arguments: Sequence[str], code: int, words: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--pyargs", "opalink.conformance", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_run_that_names_no_implementation_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_unrelated.py").write_text(
        "import sys\n"
        "def test_light():\n"
        "    ours = {n for n in sys.modules if n == 'opalink' or n.startswith('opalink.')}\n"
        "    assert ours == {'opalink', 'opalink.plugin'}\n"
        "    assert not {'construct', 'msgspec', 'scapy'} & set(sys.modules)\n"
    )
    done = run(tmp_path, "test_unrelated.py", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
