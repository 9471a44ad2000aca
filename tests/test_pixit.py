"""PIXIT: what one may say, what probe writes, and operations that a program or a person carries out.

Plan: the file · what probe writes · from outside.
"""

import io
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance.bundle.results import Actor
from opalink.conformance.campaign import certify
from opalink.conformance.papers.pixit import Attached, Pixit, PixitError, assistants, load, read, spoken, text
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Exit, Verdict
from opalink.protocol.packets import AttachOperation, Lane, LaneDownOperation, OperationTag, Outcome
from opalink.protocol.transport import Bench, Unassisted

HERE = Path(__file__).resolve().parent
HEAD = 'pixit = 1\n[iut]\nuri = "sim:macro-tube"\n'

# ── The file ─────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.builds(
        Pixit,
        st.just(1),
        st.builds(
            Attached,
            st.sampled_from(["sim:macro-tube", "tcp:localhost:7000", "stdio:./module --flag"]),
            st.sampled_from(["auto", "real"]),
            st.sampled_from(["auto", "packet", "flit", "both"]),
            st.floats(0.01, 3600),
        ),
        st.dictionaries(st.sampled_from(["ring", "button", "reset"]), st.sampled_from(["prompt", "true --x 'a b'"])),
    )
)
def test_what_is_written_is_read_back(pixit: Pixit) -> None:
    assert read(text(pixit)) == pixit


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "cannot be used: "),
        ("pixit = 2", "cannot be used: "),
        (HEAD + "speed = 3\n", "cannot be used: "),
        (HEAD + "patience = 0\n", "cannot be used: "),
        ("pixit = 1\n[iut]\nuri = 'carrier-pigeon:7'\n", "of an unknown kind"),
        (HEAD + "[operations]\nfly = 'prompt'\n", "an unknown operation 'fly'"),
        (HEAD + "[operations]\nstate = 'prompt'\n", "an unknown operation 'state'"),
        (HEAD + "[operations]\nring = '/nowhere/relay'\n", "cannot be run here"),
        (HEAD + "[operations]\nring = ''\n", "cannot be run here"),
        (HEAD + '[operations]\nring = "relay \'"\n', "No closing quotation"),
        (HEAD + "[operations]\nattach = 'prompt'\n", "attach or detach done from outside, and not both"),
        (HEAD + "clock = 'virtual'\n[operations]\nring = 'prompt'\n", "virtual time does not reach"),
    ],
)
def test_what_is_no_pixit_gets_one_sentence(words: str, complaint: str) -> None:
    with pytest.raises(PixitError, match=complaint):
        read(words)


def test_a_pixit_that_is_not_there_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(PixitError) as found:
        load(tmp_path / "nothing.toml")
    assert found.value.exit is Exit.NOTHING_RAN
    done = CliRunner().invoke(cli, ["certify", "--pixit", str(tmp_path / "nothing.toml")])
    assert done.exit_code == Exit.NOTHING_RAN


# ── What probe writes ────────────────────────────────────────────────────────────────────────────────


def test_probe_writes_a_pixit_that_certify_takes(tmp_path: Path) -> None:
    file = tmp_path / "pixit.toml"
    done = CliRunner().invoke(cli, ["probe", "sim:macro-tube", "--pixit", str(file)])
    assert done.exit_code == 0, done.output
    assert load(file).iut == Attached("sim:macro-tube")
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["certify", "--pixit", str(file), "-k", "MOD/WIRE/ORDER", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "macro-tube: CONFORMANT" in done.output
    assert load(out / "pixit.toml") == load(file)


def test_review_reads_a_pixit_without_a_device(tmp_path: Path) -> None:
    pics, file = tmp_path / "pics.toml", tmp_path / "pixit.toml"
    assert CliRunner().invoke(cli, ["probe", "sim:macro-tube", "-o", str(pics)]).exit_code == 0
    file.write_text(HEAD + "[operations]\nring = 'true'\n")
    done = CliRunner().invoke(cli, ["review", str(pics), "--pixit", str(file)])
    assert done.exit_code == 0, done.output
    assert "from outside is done: ring." in done.output
    file.write_text(HEAD + "[operations]\nring = '/nowhere/relay'\n")
    assert CliRunner().invoke(cli, ["review", str(pics), "--pixit", str(file)]).exit_code == Exit.USAGE


# ── From outside ─────────────────────────────────────────────────────────────────────────────────────


def test_a_program_is_told_the_operation_and_its_parameters(tmp_path: Path) -> None:
    script = tmp_path / "relay.py"
    script.write_text(f"import sys; open({str(tmp_path / 'said')!r}, 'w').write(' '.join(sys.argv[1:])); sys.exit(3)")
    helped = assistants(Pixit(1, Attached("sim:macro-tube"), {"lane_down": f"{sys.executable} {script} --relay"}))
    done = helped[OperationTag.LANE_DOWN](OperationTag.LANE_DOWN, LaneDownOperation(lane=Lane.LASER))
    assert done is Outcome.FAILED
    assert (tmp_path / "said").read_text() == "--relay lane_down lane=laser"


@pytest.mark.parametrize(("line", "outcome"), [("\n", Outcome.DONE), ("n\n", Outcome.FAILED), ("", Outcome.FAILED)])
def test_a_person_is_asked_and_believed(
    line: str, outcome: Outcome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    helped = assistants(Pixit(1, Attached("sim:macro-tube"), {"attach": "prompt", "detach": "prompt"}))
    assert helped[OperationTag.ATTACH](OperationTag.ATTACH, AttachOperation()) is outcome
    assert capsys.readouterr().err.startswith("opalink: attach quality=100; Enter when done")
    assert spoken(OperationTag.ATTACH, b"") == ["attach"]


def test_contacts_that_nobody_opens_are_the_benchs_fault() -> None:
    helped = assistants(Pixit(1, Attached("sim:macro-tube"), {"attach": "true", "detach": "false"}))
    with pytest.raises(Unassisted, match="could not be opened from outside"):
        Bench.open("py:opalink.protocol.engine.module:Module", assistants=helped)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Path]:
    """The PIXIT of a gateway whose module only a relay can take off."""
    file = tmp_path / "pixit.toml"
    command = [sys.executable, str(HERE / "pixit_gateway.py"), "macro-tube"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            tester, relay = served.stdout.readline().split()
            operation = repr(shlex.join([sys.executable, str(HERE / "pixit_relay.py"), relay]))
            operations = "".join(f"{name} = {operation}\n" for name in ("attach", "detach"))
            file.write_text(f"pixit = 1\n[iut]\nuri = 'tcp:127.0.0.1:{tester}'\n[operations]\n{operations}")
            yield file
        finally:
            served.kill()


def test_a_relay_takes_a_module_off_whose_bench_cannot(gateway: Path) -> None:
    """Without the relay the test is not run; with it the module is taken off and put back, and passes, unless this host
    is so loaded that nothing can be said."""
    pixit = load(gateway)
    chosen = Options(selection="MOD/ATT/DETACH/BV-again", clock="real", keep=True)
    (alone,) = certify(pixit.iut.uri, chosen).results
    assert (alone.verdict, alone.reason.split(" operation ")[0]) == (
        Verdict.NOTRUN,
        "The implementation does not offer the",
    )
    (helped,) = certify(pixit.iut.uri, structs.replace(chosen, pixit=pixit)).results
    assert helped.verdict in (Verdict.PASS, Verdict.INCONC), helped.actual
    assert any(s.note.startswith("detach") for s in helped.steps)
    assert any(s.actor is Actor.IUT for s in helped.steps)
