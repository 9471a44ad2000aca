"""Our dissector beside a naive one in tshark: processor time of a whole run, start-up included, for a display filter on
one field of the body, the way in which a long recording is searched.

Plan: recordings · runs.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final

from bench.samples import BLOCK, LEADER, samples
from opalink.protocol.capture.pcapng import LINKTYPE_PACKET, Interface, Writer
from opalink.protocol.wireshark import NAME, dissector

NAIVE: Final = Path(__file__).with_name("naive.lua")
GOALS: Final = {LEADER: 1 / 0.4, BLOCK: 1 / 0.55}
_COUNTS: Final = {LEADER: 60_000, BLOCK: 20_000}
_FIELDS: Final = {LEADER: ("FRAME_LEADER.event.width", "width"), BLOCK: ("FRAME_BLOCK.event.line0", "line0")}


def available() -> bool:
    """Whether there is a tshark to be measured in."""
    return shutil.which("tshark") is not None


# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────


def _record(path: Path, kind: str) -> None:
    data = [data for _, data in samples(kind, 64)]
    with path.open("wb") as stream:
        writer = Writer(stream, [Interface("laser from the module", LINKTYPE_PACKET, inbound=True)])
        for n in range(_COUNTS[kind]):
            writer.write(0, n * 1000, data[n % len(data)])


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────


def times(kind: str, rounds: int = 5) -> tuple[list[float], list[float]]:
    """Microseconds of processor time for a packet, of ours and of the naive one, round by round."""
    ours, naive = _FIELDS[kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _record(folder / "packets.pcapng", kind)
        (folder / NAME).write_bytes(dissector())
        found = [
            (
                _run(folder / NAME, folder / "packets.pcapng", f"opal.{ours} == 3"),
                _run(NAIVE, folder / "packets.pcapng", f"naive.{naive} == 3"),
            )
            for _ in range(rounds)
        ]
    one, other = zip(*((a / _COUNTS[kind] * 1e6, b / _COUNTS[kind] * 1e6) for a, b in found), strict=True)
    return list(one), list(other)


def _run(lua: Path, recording: Path, question: str) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    command = ["tshark", "-n", "-X", f"lua_script:{lua}", "-r", str(recording), "-Y", question]
    subprocess.run(command, check=True, capture_output=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
