"""`make bench`: measure beside the peers in one run, and write bench/results.json.

A ratio is the peer's time divided by ours, so more than 1 means that ours is better; `goal` is the least ratio
wanted. Every peer has to find the same values and to write the same bytes before it is timed.

Plan: what is compared · rows · start-up · the file.
"""

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.peers import hand, reference
from bench.samples import BLOCK, LEADER, samples
from bench.timing import interleaved, ratio
from opalink.protocol import codec

RESULTS = Path(__file__).parent / "results.json"
_COUNT = 64
_NAMES = {LEADER: "control", BLOCK: "frame block"}


class Row(Struct):
    """A line of the results. Times are in `unit`."""

    group: str
    work: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    ratio: float
    goal: float
    met: bool


# ── What is compared ─────────────────────────────────────────────────────────────────────────────────


def _each(function: Callable[..., object], items: list[object], **options: object) -> tuple[Callable[[], object], int]:
    def work() -> None:
        for item in items:
            function(item, **options)

    return work, len(items)


def agree(kind: str) -> None:
    """Every peer writes back the bytes that it has read, and so do we, with the sample's values."""
    for value, data in samples(kind, _COUNT):
        ours = codec.decode(data)
        found = codec.plain(ours)
        if found != value or codec.encode(ours) != data:
            raise AssertionError(f"{kind}: our codec finds something else")
        if hand.encode(hand.decode(data)) != data or reference.encode(reference.decode(data)) != data:
            raise AssertionError(f"{kind}: a peer finds something else")


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


def codec_rows(kind: str, decode_goal: float, encode_goal: float) -> list[Row]:
    """Decode and encode of one packet against REF and construct."""
    agree(kind)
    packets = [data for _, data in samples(kind, _COUNT)]
    candidates = {
        "decode": _each(codec.decode, packets, crc=False),
        "decode+crc": _each(codec.decode, packets),
        "encode": _each(codec.encode, [codec.decode(x) for x in packets]),
        "REF decode": _each(hand.decode, packets, crc=False),
        "REF encode": _each(hand.encode, [hand.decode(x) for x in packets]),
        "construct decode": _each(reference.decode, packets),
    }
    taken = interleaved(candidates)
    name = _NAMES[kind]

    def row(work: str, ours: str, peer: str, peer_name: str, goal: float) -> Row:
        a, b = taken[ours], taken[peer]
        found = ratio(b, a)
        median = statistics.median
        return Row("codec", f"{work}, {name}", median(a), median(b), peer_name, "ns", found, goal, found >= goal)

    return [
        row("decode without CRC", "decode", "REF decode", "struct and slotted dataclasses", 1 / decode_goal),
        row("encode with CRC", "encode", "REF encode", "struct and slotted dataclasses", 1 / encode_goal),
        row("decode with CRC", "decode+crc", "construct decode", "construct with checksum", 40),
    ]


def keeping_row() -> Row:
    """200,000 decoded packets kept, the collector on, beside decoding alone."""
    packets = [data for _, data in samples(LEADER, _COUNT)]
    decode = codec.decode

    def alone() -> None:
        for i in range(200_000):
            decode(packets[i % _COUNT], crc=False)

    def kept() -> list[object]:
        return [decode(packets[i % _COUNT], crc=False) for i in range(200_000)]

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            gc.collect()
            begun = time.thread_time_ns()
            work()
            times.append(time.thread_time_ns() - begun)
        return min(times) / 200_000

    a, b = best(kept), best(alone)
    goal = 1 / 1.4
    return Row("codec", "keep 200,000 decoded packets", a, b, "decoding alone", "ns", b / a, goal, b / a >= goal)


# ── Start-up ─────────────────────────────────────────────────────────────────────────────────────────


def start_row(work: str, limit: float, *arguments: str) -> Row:
    """Wall time of a command; the peer is the limit."""
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "opalink", *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    found = statistics.median(times)
    return Row("start", work, found, limit, "the limit", "s", limit / found, 1, found <= limit)


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    rows = [*codec_rows(LEADER, 0.65, 0.98), *codec_rows(BLOCK, 0.72, 0.85), keeping_row()]
    data = samples(LEADER, 1)[0][1]
    rows += [start_row("opalink --help", 0.15, "--help"), start_row("opalink decode HEX", 0.25, "decode", data.hex())]
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    for r in rows:
        print(f"{'met   ' if r.met else 'MISSED'} {r.ratio:7.2f}× (goal {r.goal:.2f}×)  {r.work} / {r.peer_name}")


if __name__ == "__main__":
    main()
