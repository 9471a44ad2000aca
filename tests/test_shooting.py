"""`opalink phone`: a picture from light to file, over good links and bad ones, and what is said when there is none."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rawpy
from click.testing import CliRunner, Result
from PIL import Image

from opalink.__main__ import cli
from opalink.protocol.capture.pcapng import read
from opalink.protocol.codec import decode
from opalink.protocol.packets import PacketType
from opalink.protocol.picture.scene import Scene, chart, photograph

SMALL = "3"  # the mode of four-thirds with the fewest pixels


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["phone", *map(str, arguments)], catch_exceptions=True)


def psnr(path: Path, scene: Scene) -> float:
    """Of a negative of `scene` as LibRaw develops it, at the size that the scene fell on the sensor with, in dB."""
    with rawpy.imread(str(path)) as raw:
        found = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0.0, gamma=(2.4, 12.92), user_flip=0
        )
    rows, columns, _ = found.shape
    wanted = scene.fit(columns, rows)
    small = np.asarray(Image.fromarray(found).resize(wanted.shape[1::-1], Image.Resampling.BOX))
    return float(10 * np.log10(255**2 / np.mean((small.astype(float) - wanted) ** 2)))


@pytest.mark.parametrize("scenario", [(), ("--scenario", "finger-tap-8k"), ("--scenario", "bench-noise")], ids=str)
@pytest.mark.parametrize(("scene", "least"), [(photograph, 34.5), (chart, 38.5)], ids=["photograph", "chart"])
def test_what_is_developed_is_what_stood_before_the_camera(
    tmp_path: Path, scene: Callable[[], Scene], least: float, scenario: tuple[str, ...]
) -> None:
    """Noise, filters and rounding leave 35.2 dB of the photograph with LibRaw 0.22.2, and 39.4 of the chart."""
    out, before = tmp_path / "photo.dng", tmp_path / "scene.png"
    Image.fromarray(scene().picture).save(before)
    told = run("shoot", "--out", out, "--mode", SMALL, "--scene", before, *scenario)
    assert told.exit_code == 0, told.output
    assert "0 missing" in told.output
    assert psnr(out, scene()) > least


def test_a_negative_is_the_same_over_a_bad_link_as_over_a_good_one(tmp_path: Path) -> None:
    for name, more in (("good", ()), ("bad", ("--scenario", "knock"))):
        assert run("shoot", "--out", tmp_path / name, "--mode", SMALL, *more).exit_code == 0
    with rawpy.imread(str(tmp_path / "good")) as good, rawpy.imread(str(tmp_path / "bad")) as bad:
        assert np.array_equal(good.raw_image, bad.raw_image)


def test_the_recording_holds_every_packet_of_the_session(tmp_path: Path) -> None:
    out, recorded = tmp_path / "photo.dng", tmp_path / "session.pcapng"
    assert (
        run("shoot", "--out", out, "--mode", SMALL, "--capture", recorded, "--preview", tmp_path / "p.png").exit_code
        == 0
    )
    with recorded.open("rb") as stream:
        kinds = [decode(packet.data).type for packet in read(stream).packets]
    for kind in (PacketType.BEACON, PacketType.HELLO, PacketType.PWR_READY, PacketType.FRAME_TRAILER, PacketType.EJECT):
        assert kind in kinds
    assert kinds.count(PacketType.FRAME_BLOCK) > 10
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("sim:nowhere",), 2, "'nowhere' is no profile"),
        (("sim:macro-tube",), 1, "The module has no sensor"),
        (("sim:four-thirds", "--mode", "77"), 1, "The module has no mode 77; it has 0, 1, 2, 3"),
        (("--scenario", "no-such-scenario"), 2, "no-such-scenario"),
        (("--scene", "no-such-file.jpg"), 2, "there is no file"),
        (("tcp:127.0.0.1:1",), 4, "127.0.0.1"),
        (("py:opalink.protocol.engine.module:Module", "--scene", "a.jpg"), 2, "only be put before a sim: module"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    told = run("shoot", *arguments, "--out", tmp_path / "photo.dng")
    assert told.exit_code == code, told.output
    assert sentence in told.output
    assert not (tmp_path / "photo.dng").exists()


def test_a_picture_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    told = run("shoot", "--out", tmp_path / "nowhere" / "photo.dng", "--mode", SMALL)
    assert told.exit_code == 5
    assert "photo.dng" in told.output


@pytest.mark.parametrize("command", [["shoot", "--out", "photo.dng"], ["watch"]], ids=["shoot", "watch"])
def test_without_the_libraries_of_pictures_a_sentence_says_what_to_install(tmp_path: Path, command: list[str]) -> None:
    program = "import sys; sys.modules['numpy'] = None; from opalink.__main__ import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", program, "phone", *command],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert found.returncode == 5, found.stderr
    assert found.stderr.strip().splitlines() == [
        "Error: opalink.protocol.picture needs numpy and Pillow: pip install 'opalink[picture]'."
    ]


def test_a_watch_elsewhere_than_on_a_terminal_is_a_line_a_second() -> None:
    told = run("watch", "--seconds", "2", "--speed", "1000", "sim:macro-tube")
    assert told.exit_code == 0, told.output
    assert [line.split()[0] for line in told.output.splitlines()] == ["1.000", "2.000"]
    assert "READY_FULL" in told.output
