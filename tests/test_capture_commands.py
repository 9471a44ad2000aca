"""`opalink capture`, and `opalink decode` of a recording: what they print, and how they end.

Plan: recordings · info · decode · what is no recording.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opalink.__main__ import cli
from opalink.protocol import codec
from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.packets import Keepalive

CLEAN, FOUND, USAGE, NO_INPUT = 0, 1, 2, 5

# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────

PACKET = codec.encode(codec.request(Keepalive(seq=1), txn=7))
FLIT = codec.encode_flit(codec.Flit(seq=513, vc=5))
SIDEBAND = codec.encode_sideband(codec.Sideband(payload=PACKET))
INTERFACES = (
    Interface.of("laser", "tester", LINKTYPE_PACKET),
    Interface.of("laser", "IUT", LINKTYPE_FLIT),
    Interface("eth0", 1, inbound=False),
)
GOOD = [(0, 12_000_000, PACKET), (1, 3_000_000_001, FLIT), (1, 3_000_000_002, SIDEBAND), (2, 4_000_000_000, b"?")]

Made = Callable[[Sequence[tuple[int, int, bytes]], slice], str]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """The path of a recording of packets, or of what is left of it."""

    def make(packets: Sequence[tuple[int, int, bytes]], part: slice = slice(None)) -> str:
        path = tmp_path / "session.pcapng"
        with path.open("wb") as stream:
            writer = Writer(stream, INTERFACES, ["Verdict: \x1b[2J"], "test 1.0")
            for packet in packets:
                writer.write(*packet, ["a step\x07"], size=len(packet[2]) + (packet[0] == 2), lost=packet[0])
        path.write_bytes(path.read_bytes()[part])
        return str(path)

    return make


WHOLE, CUT = slice(None), slice(-10)


def run(*args: str, stdin: bytes | None = None, code: int = CLEAN) -> Result:
    result = CliRunner().invoke(cli, args, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


# ── Info ─────────────────────────────────────────────────────────────────────────────────────────────


def test_info_counts_by_interface(made: Made) -> None:
    found = json.loads(run("capture", "info", made(GOOD, WHOLE), "--json").stdout)
    assert (found["application"], found["sections"], found["packets"], found["damages"]) == ("test 1.0", 1, 3, 0)
    assert found["foreign"] == {"1": 1}
    assert found["lost"] == 2
    first, second = found["interfaces"]
    assert (first["name"], first["carries"], first["direction"]) == ("laser from the tester", "packets", "outbound")
    assert (second["carries"], second["direction"], second["packets"]) == ("FLITs", "inbound", 2)
    assert (second["first"], second["last"]) == (3_000_000_001, 3_000_000_002)
    assert second["bytes"] == len(FLIT) + len(SIDEBAND)


def test_info_is_readable_and_obeys_nothing_that_is_in_the_file(made: Made) -> None:
    out = run("capture", "info", made(GOOD, WHOLE)).stdout
    assert "laser from the IUT" in out
    assert "3.000000001 s to 3.000000002 s" in out
    assert "skipped: 1 of link type 1" in out
    assert r"Verdict: \x1b[2J" in out


def test_info_of_a_damaged_recording_says_where_and_counts_what_is_whole(made: Made) -> None:
    path = made(GOOD[:2], CUT)
    found = json.loads(run("capture", "info", path, "--json", code=FOUND).stdout)
    (damage,) = found["damage"]
    assert (damage["block"], found["packets"], found["damages"]) == (6, 1, 1)
    assert f"damaged: block 6 at byte {damage['offset']}: the file ends after" in run(
        "capture", "info", path, code=FOUND
    ).stdout.replace(",", "")


def test_info_reads_standard_input(made: Made) -> None:
    data = Path(made(GOOD, WHOLE)).read_bytes()
    assert json.loads(run("capture", "info", "-", "--json", stdin=data).stdout)["packets"] == 3


# ── Decode ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [("decode",), ("capture", "decode")])
def test_decode_shows_every_packet_with_its_place_and_time(made: Made, command: tuple[str, ...]) -> None:
    out = run(*command, made(GOOD, WHOLE)).stdout
    assert "── 1   0.012000000 s   laser from the tester" in out
    assert r"# a step\x07" in out
    assert "KEEPALIVE" in out
    assert "FLIT\n  seq: 513" in out
    assert "sideband record\nKEEPALIVE" in out


def test_decode_gives_an_object_for_each_packet(made: Made) -> None:
    lines = [json.loads(line) for line in run("decode", made(GOOD, WHOLE), "--json").stdout.splitlines()]
    packet, flit, sideband = lines
    assert (packet["number"], packet["time"], packet["interface"]) == (1, 12_000_000, "laser from the tester")
    assert (packet["packet"], packet["body"]["seq"], packet["comments"]) == ("KEEPALIVE", 1, ["a step\x07"])
    assert (flit["flit"]["seq"], flit["flit"]["vc"], flit["inbound"], flit["lost"]) == (513, 5, True, 1)
    assert sideband["sideband"]["packet"] == "KEEPALIVE"


def test_decode_goes_on_after_what_does_not_decode(made: Made) -> None:
    wrong = PACKET[:-1] + bytes([PACKET[-1] ^ 1])
    path = made([(0, 1, wrong), (0, 2, PACKET)], WHOLE)
    first, second = map(json.loads, run("decode", path, "--json", code=FOUND).stdout.splitlines())
    assert (first["error"]["fault"], second["packet"]) == ("crc", "KEEPALIVE")
    assert "error (crc)" in run("decode", path, code=FOUND).stdout
    assert len(run("decode", path, "--no-crc").stdout.split("KEEPALIVE")) == 3


def test_decode_of_a_damaged_recording_says_where(made: Made) -> None:
    result = run("decode", made(GOOD[:2], CUT), "--json", code=FOUND)
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.startswith("damaged: block 6 at byte ")


# ── What is no recording ─────────────────────────────────────────────────────────────────────────────


def test_what_is_no_recording_ends_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "picture.gif"
    path.write_bytes(b"GIF89a and so on and on")
    for command in ("info", "decode"):
        assert "Error: It is not a recording: " in run("capture", command, str(path), code=USAGE).stderr


def test_what_is_not_there_ends_in_a_sentence(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nothing"), str(tmp_path)):
        for command in ("info", "decode"):
            assert "cannot be read: " in run("capture", command, name, code=NO_INPUT).stderr


def test_an_empty_file_has_no_packet(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcapng"
    path.write_bytes(b"")
    assert json.loads(run("capture", "info", str(path), "--json").stdout)["packets"] == 0
