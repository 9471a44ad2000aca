"""`opalink certify` and `opalink probe`: exit codes, the bundle, what is printed.

Plan: certify · probe.
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opalink.__main__ import cli
from opalink.conformance.papers.pics import read
from opalink.conformance.verdicts import Exit
from opalink.protocol.ir.load import catalogue

GOOD = "py:opalink.protocol.engine.module:Module"
BAD = "py:tests.test_conformance_campaign:Silent"
ORDER = "MOD/WIRE/ORDER"


def run(*args: str, code: Exit = Exit.CONFORMANT) -> Result:
    """The outcome of a command that must end with this code, and never with a traceback."""
    result = CliRunner().invoke(cli, args)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


# ── Certify ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_conformant_module_leaves_a_bundle(tmp_path: Path) -> None:
    result = run("certify", GOOD, "-k", ORDER, "--out", str(tmp_path))
    assert "four-thirds: CONFORMANT" in result.output
    assert {"report.json", "report.html", "junit.xml", "pics.toml", "results.jsonl"} <= {
        x.name for x in tmp_path.iterdir()
    }
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["summary"]["pass"] > 5
    assert report["verdict"] == "conformant"
    lines = (tmp_path / "results.jsonl").read_bytes().splitlines()
    assert [json.loads(x)["id"] for x in lines] == [t["id"] for t in report["tests"]]


def test_a_failure_begins_with_the_requirement(tmp_path: Path) -> None:
    result = run("certify", BAD, "-k", "MOD/ATT/BEACON/TI-first", "--out", str(tmp_path), code=Exit.NON_CONFORMANT)
    lines = result.output.splitlines()
    assert lines[0].startswith("R-LNK-003  The module MUST send its first BEACON")
    assert "FAIL MOD/ATT/BEACON/TI-first" in lines[1]
    assert any(x.strip().startswith("opalink certify py:tests") for x in lines)


def test_json_is_the_report(tmp_path: Path) -> None:
    result = run("certify", GOOD, "-k", ORDER, "--out", str(tmp_path), "--json")
    assert json.loads(result.output) == json.loads((tmp_path / "report.json").read_bytes())


def test_nothing_selected_is_an_exit_of_its_own(tmp_path: Path) -> None:
    run("certify", GOOD, "-k", "no_such_thing", "--out", str(tmp_path), code=Exit.NOTHING_RAN)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("magic:x",), Exit.USAGE, "unknown kind"),
        ((GOOD, "-k", "a and"), Exit.USAGE, "is no selection"),
        ((GOOD, "--profile", "saucer"), Exit.USAGE, "no profile 'saucer'"),
        ((GOOD, "--pics", "nowhere.toml"), Exit.NOTHING_RAN, "cannot be read"),
        (("tcp:127.0.0.1:1",), Exit.TESTER_FAULT, "Nothing answers"),
        (("stdio:./no-such-program",), Exit.TESTER_FAULT, "cannot be started"),
    ],
)
def test_what_goes_wrong_before_the_tests_is_one_sentence(
    args: tuple[str, ...], code: Exit, says: str, tmp_path: Path
) -> None:
    result = run("certify", *args, "--out", str(tmp_path), code=code)
    assert says in result.output
    assert "Traceback" not in result.output


def test_an_illegal_pics_is_an_exit_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pics.toml").write_text("pics = 1\n")
    pics = str(tmp_path / "pics.toml")
    assert "lacks the section" in run("certify", GOOD, "--pics", pics, "--out", str(tmp_path), code=Exit.PICS).output


# ── Probe ────────────────────────────────────────────────────────────────────────────────────────────


def test_probe_writes_a_pics_that_certify_takes(tmp_path: Path) -> None:
    pics = tmp_path / "pics.toml"
    run("probe", GOOD, "-o", str(pics))
    found = read(pics.read_text(), catalogue())
    assert found.profile == "four-thirds"
    assert "SENSOR" in found.declared
    assert found.observed["SENSOR"]
    run("certify", GOOD, "--pics", str(pics), "-k", ORDER, "--out", str(tmp_path))


def test_probe_prints_toml_or_json() -> None:
    assert read(run("probe", GOOD).output, catalogue()).role == "module"
    assert json.loads(run("probe", GOOD, "--json").output)["role"] == "module"


def test_probe_of_what_says_nothing() -> None:
    assert "No session could be opened" in run("probe", BAD, code=Exit.INCONCLUSIVE).output
