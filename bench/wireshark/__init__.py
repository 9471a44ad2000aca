"""Our dissector beside a naive one in tshark: processor time of counting the packets in which one field of the body
has a value, the way in which a long recording is searched. Start-up is left out: it is measured over no packets.

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
_COUNTS: Final = {LEADER: 60_000, BLOCK: 30_000}
# The field that is asked for, as ours and as the naive one calls it, and what is asked of it.
_QUESTIONS: Final = {
    LEADER: ("opal.FRAME_LEADER.event.width", "naive.width", ">= 5000"),
    BLOCK: ("opal.FRAME_BLOCK.event.line0", "naive.line0", ">= 32"),
}


def available() -> bool:
    """Whether there is a tshark to be measured in."""
    return shutil.which("tshark") is not None


# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────


def _record(path: Path, kind: str, count: int) -> Path:
    data = [data for _, data in samples(kind, 64)]
    with path.open("wb") as stream:
        writer = Writer(stream, [Interface("laser from the module", LINKTYPE_PACKET, inbound=True)])
        for n in range(count):
            writer.write(0, n * 1000, data[n % len(data)])
    return path


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────


def times(kind: str, rounds: int = 3) -> tuple[list[float], list[float]]:
    """Microseconds of processor time for a packet, of ours and of the naive one, round by round. Raises ValueError
    where they find other packets."""
    ours, naive, condition = _QUESTIONS[kind]
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), _COUNTS[kind]
        packets, none = (_record(folder / f"{n}.pcapng", kind, n) for n in (count, 0))
        (folder / NAME).write_bytes(dissector())
        candidates = ((folder / NAME, f"{ours} {condition}"), (NAIVE, f"{naive} {condition}"))
        if len({_found(lua, packets, question) for lua, question in candidates}) != 1:
            raise ValueError(f"The dissectors count other {kind}s.")
        taken = [
            [(_run(lua, packets, x)[1] - _run(lua, none, x)[1]) / count * 1e6 for lua, x in candidates]
            for _ in range(rounds)
        ]
    one, other = zip(*taken, strict=True)
    return list(one), list(other)


def _found(lua: Path, recording: Path, question: str) -> int:
    """How many packets were found."""
    row = next(line for line in _run(lua, recording, question)[0].splitlines() if "<>" in line)
    return int(row.split("|")[2])


def _run(lua: Path, recording: Path, question: str) -> tuple[str, float]:
    """What tshark says, and the seconds that it took."""
    before = getrusage(RUSAGE_CHILDREN)
    command = ["tshark", "-n", "-q", "-X", f"lua_script:{lua}", "-r", str(recording), "-z", f"io,stat,0,{question}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = getrusage(RUSAGE_CHILDREN)
    return said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
