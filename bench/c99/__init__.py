"""The C codec beside one written by hand and beside nanopb, each compiled alike and called through a shared library.

A candidate decodes and encodes the samples many times in C; it has to find their numbers, and to write their bytes
again, before it is timed. nanopb has encodings of its own for the same values, and no CRC.

Plan: building · agreement · rows.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from bench.peers import protobuf
from bench.samples import BLOCK, LEADER, Plain, samples
from bench.timing import Work, interleaved

HERE: Final = Path(__file__).parent
CC: Final = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
FLAGS: Final = ("-std=gnu99", "-O2", "-shared", "-fPIC", "-fno-semantic-interposition", "-w")
NANOPB: Final = shutil.which("nanopb_generator") or shutil.which("nanopb_generator.py")
HAND: Final = "C by hand"
_LARGEST: Final = 8400
_NUMBERS: Final = 64
_COUNT: Final = 64
_PACKETS: Final = 1280  # in one call
# What is timed stays in the first cache: not the memory is to be compared.
_TIMED: Final = {LEADER: 64, BLOCK: 2}
# How many times faster than each.
_GOALS: Final = {
    "decode": {"hand": {LEADER: 1 / 1.15, BLOCK: 1 / 1.15}, "nanopb": {LEADER: 5.0, BLOCK: 5.0}},
    "encode": {"hand": {LEADER: 1 / 1.15, BLOCK: 1 / 1.15}, "nanopb": {LEADER: 5.0, BLOCK: 5.0}},
}
_HEADER: Final = ("rsp", "spare2", "more", "spare0", "type", "vc", "instance", "status", "txn", "t_ns")

# ── Building ─────────────────────────────────────────────────────────────────────────────────────────

# A block's data stays where it is; the lists have as much room as ours.
_OPTIONS: Final = """\
opal.FrameLeader.exposures max_count:3
opal.FrameLeader.settings max_count:16
opal.FrameBlock.data type:FT_CALLBACK
"""


class Candidate:
    """A codec in C. `wire` gives the bytes of a sample in its encoding."""

    def __init__(self, name: str, library: Path, *, crc: bool = True) -> None:
        self.name, self.crc = name, crc
        self.loaded = ctypes.CDLL(str(library))
        for function in (self.loaded.run_decode, self.loaded.run_encode, self.loaded.again, self.loaded.numbers):
            function.restype = ctypes.c_size_t

    def wire(self, value: Plain, data: bytes) -> bytes:
        return data if self.crc else protobuf.wire(value)

    def again(self, data: bytes) -> bytes:
        """A sample decoded and encoded; nothing where it refuses."""
        out = ctypes.create_string_buffer(_LARGEST)
        n = self.loaded.again(data, ctypes.c_size_t(len(data)), out, ctypes.c_size_t(_LARGEST))
        return out.raw[:n]

    def numbers(self, data: bytes) -> list[int]:
        """What it finds in a sample: header, fixed fields, the first exposure."""
        out = (ctypes.c_int64 * _NUMBERS)()
        n = self.loaded.numbers(data, ctypes.c_size_t(len(data)), out)
        return list(out[:n])

    def work(self, verb: str, data: Sequence[bytes], rounds: int, *, crc: bool) -> Work:
        """So many rounds over all samples. Raises RuntimeError where one is refused."""
        array = (_Sample * len(data))(*(_Sample(x, len(x)) for x in data))
        run = self.loaded[f"run_{verb}"]
        run.restype = ctypes.c_size_t
        wanted = rounds * len(data)

        def call() -> None:
            done = run(array, ctypes.c_size_t(len(data)), ctypes.c_size_t(rounds), ctypes.c_int(crc))
            if done != wanted:
                raise RuntimeError(f"{self.name} refuses to {verb} a sample")

        return call, wanted


class _Sample(ctypes.Structure):
    _fields_ = (("at", ctypes.c_char_p), ("n", ctypes.c_size_t))


def build(folder: Path) -> dict[str, Candidate]:
    """The candidates that can be built here; nanopb only where its generator is installed. Raises RuntimeError without
    a C compiler."""
    if not CC:
        raise RuntimeError("no C compiler is installed")
    generated = Path(os.fspath(folder))
    generated.mkdir(parents=True, exist_ok=True)
    include = [f"-I{HERE}", f"-I{HERE.parent.parent / 'protocol' / 'c99'}", f"-I{generated}"]

    def compiled(name: str, *others: object) -> Path:
        made = generated / f"{name}.so"
        command = [CC, *FLAGS, *include, "-o", made, HERE / f"{name}.c", *others]
        subprocess.run([str(x) for x in command], check=True)
        return made

    found = {"ours": Candidate("opalink", compiled("ours")), "hand": Candidate(HAND, compiled("hand"))}
    if NANOPB:
        (generated / "opal.pb").write_bytes(protobuf.schema())
        (generated / "opal.options").write_text(_OPTIONS)
        subprocess.run(
            [NANOPB, "-q", "-D", generated, "-f", generated / "opal.options", generated / "opal.pb"], check=True
        )
        others = (generated / "opal.pb.c", "-lprotobuf-nanopb")
        found["nanopb"] = Candidate("nanopb", compiled("nanopb", *others), crc=False)
    return found


# ── Agreement ────────────────────────────────────────────────────────────────────────────────────────


def agree(candidate: Candidate, kind: str) -> None:
    """Raises ValueError where a candidate finds other values in a sample, or does not write its bytes again."""
    for value, data in samples(kind, _COUNT):
        wire = candidate.wire(value, data)
        if candidate.numbers(wire) != numbers(value):
            raise ValueError(f"{candidate.name} finds other values in a {kind}.")
        if candidate.again(wire) != wire:
            raise ValueError(f"{candidate.name} writes other bytes for a {kind}.")


def numbers(value: Plain) -> list[int]:
    """The numbers of a sample in the order of its declaration, up to the first exposure."""
    found = [value[name] for name in _HEADER]
    for x in value["body"].values():
        if isinstance(x, int):
            found.append(x)
        elif isinstance(x, list) and isinstance(x[0], dict):
            found += x[0].values()
    return found


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


@cache
def candidates() -> dict[str, Candidate]:
    """What can be built here, in `out/`."""
    return build(HERE.parent.parent / "out" / "bench" / "c99")


def rows(kind: str) -> Iterator[tuple[str, list[float], list[float], str, float]]:
    """For a kind of packet, without CRC: what was done, our nanoseconds for a packet and the peer's, round by round;
    the peer, and how many times faster ours has to be."""
    works: dict[str, Work] = {}
    for name, candidate in candidates().items():
        agree(candidate, kind)
        data = [candidate.wire(value, data) for value, data in samples(kind, _TIMED[kind])]
        for verb in _GOALS:
            works[f"{name} {verb}"] = candidate.work(verb, data, _PACKETS // len(data), crc=False)
    taken = interleaved(works)
    for verb, goals in _GOALS.items():
        for peer in (x for x in candidates() if x != "ours"):
            name = candidates()[peer].name
            yield verb, taken[f"ours {verb}"], taken[f"{peer} {verb}"], name, goals[peer][kind]
