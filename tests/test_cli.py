"""The command line of the protocol: what it prints, what machines read of it, and how it ends.

Plan: help · decode and encode · spec · generate · the program itself.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import opalink
from opalink.__main__ import COMMANDS, cli, main
from opalink.protocol import codec
from opalink.protocol import packets as classes
from opalink.protocol.generate import registry
from opalink.protocol.ir import load
from opalink.protocol.ir.diagnostics import SpecError
from opalink.protocol.ir.load import catalogue
from tests.changes import Change, altered, part

CLEAN, FOUND, USAGE, NO_INPUT = 0, 1, 2, 5


def run(*args: str, stdin: str | bytes | None = None, code: int = CLEAN) -> Result:
    """The outcome of a command that must end with this code, and never with a traceback."""
    result = CliRunner().invoke(cli, args, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def complaint(result: Result) -> str:
    """The one sentence in which a command says what is wrong."""
    (line,) = (x for x in result.stderr.splitlines() if x.startswith("Error: "))
    sentence = line.removeprefix("Error: ")
    assert sentence.endswith(".")
    assert "Traceback" not in result.output
    return sentence


# ── Help ─────────────────────────────────────────────────────────────────────────────────────────────


def test_help_lists_every_command_with_its_own_line() -> None:
    """The lines stand in __main__ so that no command is imported for them: here they are held to the commands' own."""
    shown = " ".join(run("--help").output.split())
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == line
        assert f"{name} {line}" in shown


def test_an_unknown_command_is_named() -> None:
    assert "'sing'" in complaint(run("sing", code=USAGE))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    assert COMMANDS[name][1] in " ".join(run(name, "--help").output.split())


def test_the_version_is_told() -> None:
    assert run("--version").output == f"opalink, version {opalink.__version__}\n"


# ── decode and encode ────────────────────────────────────────────────────────────────────────────────

PACKET = codec.request(classes.PwrRequest(object=2, max=500), txn=3)
HEX = codec.encode(PACKET).hex()
BAD_CRC = HEX[:-2] + f"{int(HEX[-2:], 16) ^ 1:02x}"


def test_decode_shows_a_tree() -> None:
    lines = run("decode", HEX).stdout.splitlines()
    assert lines[0] == "PWR_REQUEST request — The sink asks for one offer"
    assert "  object = 2" in lines
    assert "  max = 500 mA" in lines


def test_decode_takes_hexadecimal_as_people_paste_it() -> None:
    shown = run("decode", HEX).stdout
    spaced = " ".join(HEX[i : i + 2] for i in range(0, len(HEX), 2))
    for given in (HEX.upper(), spaced, f"0x{HEX}"):
        assert run("decode", given).stdout == shown


def test_decode_and_encode_are_each_others_inverse(tmp_path: Path) -> None:
    shown = run("decode", HEX, "--json").stdout
    assert run("encode", shown).stdout == f"{HEX}\n"
    assert run("encode", "-", stdin=shown).stdout == f"{HEX}\n"
    (tmp_path / "packet.json").write_text(shown)
    assert run("encode", str(tmp_path / "packet.json")).stdout == f"{HEX}\n"


def test_encode_takes_a_type_with_fields() -> None:
    assert run("encode", "PWR_REQUEST", "object=2", "max=500", "--txn", "3").stdout == f"{HEX}\n"
    assert run("encode", "PWR_RESET", "level=HARD").stdout == run("encode", "PWR_RESET", "level=1").stdout
    refusal = run("encode", "KEEPALIVE", "at=4", "--form", "error").stdout
    assert codec.decode(bytes.fromhex(refusal)).body == classes.Refusal(at=4)


def test_decode_reads_files_of_lines_and_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(f"{HEX}\n\n  {HEX}  \n")
    (tmp_path / "bytes").write_bytes(bytes.fromhex(HEX))
    one = run("decode", HEX, "--json").stdout
    assert run("decode", str(tmp_path / "lines"), "--json").stdout == one * 2
    assert run("decode", str(tmp_path / "bytes"), "--json").stdout == one
    assert run("decode", "-", "--json", stdin=HEX).stdout == one
    assert run("decode", "-", "--json", stdin=bytes.fromhex(HEX)).stdout == one


def test_what_does_not_decode_is_told_with_its_place() -> None:
    result = run("decode", BAD_CRC, code=FOUND)
    assert result.stdout == ""
    assert result.stderr.startswith(f"error (crc): crc at offset {len(HEX) // 2 - 4}: ")
    assert run("decode", BAD_CRC, "--no-crc").stdout == run("decode", HEX).stdout
    (error,) = (json.loads(x) for x in run("decode", HEX[:-2], "--json", code=FOUND).stdout.splitlines())
    assert error["error"].keys() == {"fault", "path", "offset", "detail"}
    assert (error["error"]["fault"], error["error"]["path"]) == ("short", "crc")


def test_a_bad_packet_hides_no_good_one(tmp_path: Path) -> None:
    (tmp_path / "packets").write_text(f"{BAD_CRC}\n{HEX}\n")
    result = run("decode", str(tmp_path / "packets"), "--json", code=FOUND)
    assert [list(json.loads(line)) for line in result.stdout.splitlines()][1] == ["packet", "form", "header", "body"]


def test_a_long_packet_is_no_file_name() -> None:
    """The system refuses to look for a file of such a name."""
    block = codec.encode(codec.event(classes.FrameBlock(data=bytes(20_000))))
    shown = run("decode", block.hex(), "--json").stdout
    assert run("encode", shown).stdout == f"{block.hex()}\n"


@pytest.mark.parametrize("command", ["decode", "encode"])
@pytest.mark.parametrize("content", ["", "\n \n"])
def test_nothing_is_missing_input(command: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "nothing").write_text(content)
    assert "is empty" in complaint(run(command, str(tmp_path / "nothing"), code=NO_INPUT))
    assert "is empty" in complaint(run(command, "-", stdin=content, code=NO_INPUT))


WRONG = [
    (["decode", "12 3"], "hexadecimal"),
    (["decode", "no/such/file"], "hexadecimal"),
    (["decode", ""], "hexadecimal"),
    (["decode"], "PACKET"),
    (["encode", "PWR_WINGS"], "neither a packet type"),
    (["encode", "[" * 100_000], "neither a packet type"),
    (["encode", '{"packet": "PWR_WINGS"}'], "no packet type"),
    (["encode", "PWR_REQUEST", "object"], "field=value"),
    (["encode", "PWR_REQUEST", "wings=2"], "wings: is no field of PwrRequest"),
    (["encode", "PWR_REQUEST", "object=7"], "object: is 7, must be 0 to 6"),
    (["encode", "PWR_REQUEST", "object=two"], "object: is str, must be an integer"),
    (["encode", "PWR_READY", "--form", "request"], "no form"),
    (["encode", "PWR_READY", "--txn", "one"], "txn"),
    (["encode", '{"packet": "PWR_READY"}', "object=1"], "go with a packet type"),
    (["encode", '{"packet": "PWR_READY"}', "--txn", "1"], "go with a packet type"),
    (["spec", "list", "wings"], "wings"),
    (["spec", "show", "WINGS"], "WINGS"),
    (["spec", "diff", "no/such/file"], "no/such/file"),
    (["generate", "wings"], "python"),
    (["generate", "python"], "folder"),
    (["generate", "wings", "out"], "python"),
    (["generate", "all", "out"], "folder"),
    (["generate", "c", "out", "--profile", "wings"], "macro-tube"),
    (["generate", "vectors", "out", "--profile", "macro-tube"], "every profile"),
]


@pytest.mark.parametrize(("args", "said"), WRONG, ids=[" ".join(args)[:40] for args, _ in WRONG])
def test_wrong_arguments_are_answered_with_a_sentence(args: list[str], said: str) -> None:
    assert said in complaint(run(*args, code=USAGE))


def test_a_line_with_half_a_byte_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text(f"{HEX}\n{HEX[:-1]}\n")
    assert "odd" in complaint(run("decode", str(tmp_path / "odd"), code=USAGE))


def test_bytes_that_are_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    complaint(run("encode", str(tmp_path / "bytes"), code=USAGE))


# ── spec ─────────────────────────────────────────────────────────────────────────────────────────────


def test_spec_list_has_the_shape_that_is_promised() -> None:
    listed = json.loads(run("spec", "list", "--json").stdout)
    assert [p["name"] for p in listed] == [p.name for p in catalogue().packets]
    promised = {"code": int, "name": str, "group": str, "sender": str, "kind": str, "requirement_level": str}
    promised |= {"size": dict, "fields": list}
    for p in listed:
        assert all(type(p[key]) is kind for key, kind in promised.items()), p["name"]
        assert p["size"].keys() == {"min", "max"}
        assert p["size"]["min"] <= p["size"]["max"]
        assert all({"name", "kind"} <= f.keys() for f in p["fields"]), p["name"]


def test_spec_list_speaks_of_the_form_that_begins_an_exchange() -> None:
    listed = {p["name"]: p for p in json.loads(run("spec", "list", "--json").stdout)}
    names = [f["name"] for f in listed["PWR_REQUEST"]["fields"]]
    assert names[:3] == ["generation", "object", "operating"]
    assert listed["PWR_REQUEST"]["forms"]["error"]["fields"][0]["name"] == "reason"


TABLES = [
    "packets", "statuses", "timers", "limits", "channels", "gears", "machines", "profiles", "requirements", "enums",
]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_listed_for_people_and_for_machines(table: str) -> None:
    entries = getattr(catalogue(), table)
    assert len(json.loads(run("spec", "list", table, "--json").stdout)) == len(entries)
    lines = run("spec", "list", table).stdout.splitlines()
    assert len(lines) == len(entries)
    for line, entry in zip(lines, entries, strict=True):
        assert getattr(entry, "name", "") in line
        assert getattr(entry, "id", "") in line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PWR_REQUEST", "R-PWR-019"),
        ("PWR_SOURCE_CAPS", "continuous"),
        ("R-WIRE-001", "CRC-32C"),
        ("BAD_STATE", "Not legal"),
        ("tHello", "HELLO"),
        ("OfferKind", "FIXED"),
        ("Feature", "LASER"),
        ("four-thirds", "identity"),
        ("streams", "at once"),
        ("STREAM0", "Frame blocks"),
        ("Offer", "peak_time"),
        ("POWER.module", "CONTRACT"),
        ("FLIT", "first_off"),
        ("properties", "exposure"),
        ("G4", "10312500000"),
    ],
)
def test_whatever_has_a_name_is_shown(name: str, said: str) -> None:
    assert said in run("spec", "show", name).stdout


def test_spec_check_of_the_real_catalogue_is_clean() -> None:
    result = json.loads(run("spec", "check", "--json").stdout)
    assert (result["errors"], result["warnings"]) == ([], [])
    assert result["counts"].keys() == {"packets", "machines", "rows", "timers", "statuses", "requirements"}
    assert all(n > 0 for n in result["counts"].values())
    assert run("spec", "check").stdout.splitlines()[-1].endswith("rules: 0 errors, 0 warnings")


@pytest.fixture
def declaring(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Has the commands find other declarations."""

    def declare(change: Change) -> None:
        made, entries = change(catalogue()), load.declared()[1]
        monkeypatch.setattr(load, "declared", lambda: (made, entries))
        monkeypatch.setattr(registry, "declared", lambda: (made, entries))

    return declare


def test_spec_check_tells_what_is_broken(declaring: Callable[[Change], None]) -> None:
    declaring(part("PwrReady", "object", default=9))
    (error,) = json.loads(run("spec", "check", "--json", code=FOUND).stdout)["errors"]
    assert (error["code"], error["where"]) == ("L05", "PwrReady.object")
    assert "error L05 PwrReady.object: " in run("spec", "check", code=FOUND).stdout


def test_spec_check_tells_what_is_outside_the_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    def declared() -> Any:
        raise SpecError("W05", "PWR_READY.limit", "is no integer of the dialect")

    monkeypatch.setattr(load, "declared", declared)
    (error,) = json.loads(run("spec", "check", "--json", code=FOUND).stdout)["errors"]
    assert error == {"code": "W05", "where": "PWR_READY.limit", "detail": "is no integer of the dialect"}


def test_spec_export_is_the_canonical_json(tmp_path: Path) -> None:
    out = tmp_path / "opal.json"
    told = run("spec", "export", str(out))
    assert out.read_bytes() == catalogue().to_json() == run("spec", "export").stdout_bytes
    assert told.stderr == f"sha256 {catalogue().fingerprint}\n"


def test_spec_diff_compares_exports(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(catalogue().to_json())
    assert run("spec", "diff", str(old)).stdout == "compatible: 0 compatible, 0 conditional, 0 breaking\n"
    assert json.loads(run("spec", "diff", "-", "--json", stdin=old.read_bytes()).stdout) == {
        "verdict": "compatible",
        "changes": [],
    }
    new.write_bytes(part("PwrReady", "object", hi=5)(catalogue()).to_json())
    result = json.loads(run("spec", "diff", str(old), str(new), "--json", code=FOUND).stdout)
    assert result["verdict"] == "breaking"
    (change,) = result["changes"]
    assert change.keys() == {"impact", "where", "what"}
    assert change["where"] == "layout PwrReady.object"
    shown = run("spec", "diff", str(old), str(new), code=FOUND).stdout
    assert shown.startswith("breaking layout PwrReady.object: range was 0 to 6, is narrowed to 0 to 5\n")
    assert run("spec", "diff", str(new), str(old)).stdout.splitlines()[-1].startswith("conditional: ")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:0],
        lambda data: data[:1] + b"}",
        lambda data: data[:-10],
        lambda data: b"\xff" + data,
        lambda data: data.replace(b'"Offer"', b'"Wings"', 1),
        lambda data: data.replace(b'"PwrReady"', b'"PwrWings"', 1),
        lambda data: data.replace(b'"1/100"', b'"1e999999999"', 1),
        lambda data: data.replace(b'"REFUSAL"', b'"WINGS"'),
    ],
    ids=range(8),
)
def test_what_is_no_export_is_refused(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "spoilt.json"
    path.write_bytes(spoil(catalogue().to_json()))
    assert path.read_bytes() != catalogue().to_json()
    assert "is no export of a catalogue" in complaint(run("spec", "diff", str(path), code=USAGE))


def test_a_strangers_export_does_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(catalogue().to_json().replace(b'"PWR_RESERVE"', b'"\\u001b[2J\\n"'))
    shown = run("spec", "diff", str(path)).stdout
    assert "\\x1b[2J\\n" in shown
    assert "\x1b" not in shown
    path.write_bytes(catalogue().to_json().replace(b'"PwrReserve"', b'"\\u001b[2J"', 1))
    assert "\x1b" not in complaint(run("spec", "diff", str(path), code=USAGE))


# ── generate ─────────────────────────────────────────────────────────────────────────────────────────


def test_generated_files_are_told_to_be_fresh() -> None:
    assert run("generate", "all", "--check").stdout.endswith(" generated files, 0 stale.\n")


def test_check_changes_nothing_and_names_what_is_stale(
    declaring: Callable[[Change], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "BACKENDS", {"json": registry.BACKENDS["json"]})  # the others take longer
    monkeypatch.setattr(registry, "_folder", lambda place: tmp_path / place)
    monkeypatch.setattr(registry, "lock_path", lambda: tmp_path / "requirements.lock")
    assert run("generate", "all").exit_code == CLEAN
    assert run("generate", "all", "--check").stdout.endswith(" 0 stale.\n")
    leftover = tmp_path / "opalink.protocol.exports" / "leftover.json"
    leftover.write_text("")
    declaring(altered("packets", "PWR_READY", doc="Something else."))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}
    told = run("generate", "all", "--check", code=FOUND).stdout
    assert f"stale {leftover}\n" in told
    assert f"stale {tmp_path / 'opalink.protocol.exports' / 'opal.json'}\n" in told
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}
    assert f"removed {leftover}\n" in run("generate", "all").stdout
    assert not leftover.exists()
    assert run("generate", "all", "--check").stdout.endswith(" 0 stale.\n")


@pytest.mark.parametrize("backend", registry.BACKENDS)
def test_every_back_end_writes_into_any_folder(backend: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "of the user.txt").write_text("stays")
    run("generate", backend, str(out))
    assert run("generate", backend, str(out), "--check").stdout.endswith(" 0 stale.\n")
    assert (out / "of the user.txt").read_text() == "stays"
    assert len(list(out.iterdir())) > 1


def test_checking_a_folder_makes_none(tmp_path: Path) -> None:
    assert "stale" in run("generate", "json", str(tmp_path / "out"), "--check", code=FOUND).stdout
    assert list(tmp_path.iterdir()) == []


def test_generate_tells_what_is_outside_the_dialect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def declared() -> Any:
        raise SpecError("W05", "PWR_READY.limit", "is no integer of the dialect.")

    monkeypatch.setattr(registry, "declared", declared)
    for args in (["all"], ["python", str(tmp_path)]):
        assert complaint(run("generate", *args, code=FOUND)).startswith("W05 PWR_READY.limit: ")


# ── The program itself ───────────────────────────────────────────────────────────────────────────────


def opalink_process(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "opalink", *args], capture_output=True, text=True, check=False)


def test_the_program_ends_with_the_codes_of_its_commands() -> None:
    assert opalink_process("decode", HEX).returncode == CLEAN
    failed = opalink_process("decode", BAD_CRC)
    assert (failed.returncode, failed.stdout) == (FOUND, "")
    assert opalink_process("decode", "12 3").returncode == USAGE


def test_a_reader_that_has_seen_enough_is_no_finding() -> None:
    """It ends as every program does whose reader goes away, and says nothing."""
    command = [sys.executable, "-m", "opalink", "spec", "list", "requirements"]  # many lines, more than a pipe holds
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("ours"), 4), (click.UsageError("no."), USAGE)]
)
def test_what_no_command_decided_is_no_verdict(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would say that something was judged and found wanting."""

    @click.command()
    def failing() -> None:
        raise raised

    monkeypatch.setattr(cli, "get_command", lambda *_: failing)
    monkeypatch.setattr(sys, "argv", ["opalink", "failing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert capsys.readouterr().err


def test_help_is_quick_because_it_loads_no_command() -> None:
    code = "import sys; from opalink.__main__ import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {name for name in loaded if name.startswith("opalink")} == {"opalink", "opalink.__main__"}
    assert not loaded & {"construct", "msgspec", "hypothesis", "scapy"}


def test_decoding_loads_no_construct() -> None:
    run_it = f"cli(['decode', '{HEX}'], standalone_mode=False)"
    code = f"import sys; from opalink.__main__ import cli; {run_it}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "construct" not in done.stdout.splitlines()[-1].split()
