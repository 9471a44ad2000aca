"""The accelerator beside REF: built here with what Python's own build says, so that the rows need no installation.

Plan: building · rows.
"""

import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from bench.peers import load
from bench.samples import BLOCK, LEADER, samples
from bench.timing import Work, interleaved
from opalink.protocol.accelerator import NAME, SOURCE

_OUT: Final = Path(__file__).parent.parent / "out" / "bench"
_COUNT: Final = 64
# How many times faster than REF, decode and encode.
_GOALS: Final = {LEADER: (1 / 0.25, 1 / 0.13), BLOCK: (1 / 0.33, 1 / 0.33)}

# ── Building ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def built() -> Any:
    """The extension. Raises CalledProcessError where the compiler refuses."""
    _OUT.mkdir(parents=True, exist_ok=True)
    library = _OUT / "accelerator.so"
    compiler = shlex.split(sysconfig.get_config_var("CC") or shutil.which("cc") or "cc")
    flags = ["-O2", "-DNDEBUG", "-shared", "-fPIC", "-w", f"-I{sysconfig.get_paths()['include']}"]
    subprocess.run([*compiler, *flags, str(SOURCE), "-o", str(library)], check=True)
    name = NAME.rpartition(".")[2]
    spec = spec_from_file_location(name, library, loader=ExtensionFileLoader(name, str(library)))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


def rows(kind: str) -> Iterator[tuple[str, list[float], list[float], str, float]]:
    """For a kind of packet, without CRC: what was done, our nanoseconds for a packet and REF's, round by round; REF's
    name, and how many times faster ours has to be. Raises ValueError where the accelerator finds or writes something
    else than a sample has."""
    native, ours, hand = built(), load("ours"), load("hand")
    data = [wire for _, wire in samples(kind, _COUNT)]
    for value, wire in samples(kind, _COUNT):
        packet = native.decode_Packet(wire)
        if ours.values(packet) != value or native.encode_Packet(packet) != wire:
            raise ValueError(f"The accelerator makes something else of a {kind}.")

    def each(function: Callable[..., object], items: Sequence[Any]) -> Work:
        def work() -> None:
            for item in items:
                function(item, crc=False)

        return work, len(items)

    assert hand.encode
    taken = interleaved({
        "ours decode": each(native.decode_Packet, data),
        "hand decode": each(hand.decode, data),
        "ours encode": each(native.encode_Packet, [native.decode_Packet(x) for x in data]),
        "hand encode": each(hand.encode, [hand.decode(x) for x in data]),
    })  # fmt: skip
    for verb, goal in zip(("decode", "encode"), _GOALS[kind], strict=True):
        yield verb, taken[f"ours {verb}"], taken[f"hand {verb}"], hand.name, goal
