"""`make bench`: measure beside the peers in one run, and write bench/results.json.

A ratio is the peer's time divided by ours, so more than 1 means that ours is better; `goal` is the least ratio
wanted. Every peer has to find the same values, and to write the same bytes, before it is timed.

Plan: agreement · codec rows · the C codec · keeping · dissectors · start-up · the engine · the suite · the report ·
the file.
"""

import gc
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import msgspec
from msgspec import Struct

from bench import accelerator, c99, campaign, engine, page, wireshark
from bench.peers import NAMES, Peer, load
from bench.samples import BLOCK, LEADER, samples
from bench.timing import Work, interleaved, ratio

RESULTS = Path(__file__).parent / "results.json"
_COUNT = 64
_KEPT = 200_000
_TITLES = {LEADER: "control", BLOCK: "frame block"}
# How many times faster than REF for each kind, from what design measured: decode and encode, both without CRC.
_BESIDE_HAND = {LEADER: (1 / 0.65, 1 / 0.98), BLOCK: (1 / 0.72, 1 / 0.85)}
# How many times faster than the others, ours with the CRC checked.
_BESIDE = {"construct": 40, "kaitai": 8, "scapy": 25, "protobuf": 1}


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


# ── Agreement ────────────────────────────────────────────────────────────────────────────────────────


def agree(peer: Peer, kind: str) -> None:
    """Raises ValueError where a peer finds other values in a sample, or writes other bytes."""
    for value, data in samples(kind, _COUNT):
        read = peer.decode(peer.wire(value) if peer.wire else data)
        if peer.values(read) != value:
            raise ValueError(f"{peer.name} finds other values in a {kind}.")
        if peer.encode and peer.encode(read) != data:
            raise ValueError(f"{peer.name} writes other bytes for a {kind}.")


# ── Codec rows ───────────────────────────────────────────────────────────────────────────────────────


def _each(function: Callable[..., object], items: list[Any], **options: object) -> Work:
    def work() -> None:
        for item in items:
            function(item, **options)

    return work, len(items)


def codec_rows(kind: str) -> list[Row]:
    """Decode and encode of one kind of packet beside every peer."""
    peers = {name: load(name) for name in NAMES}
    candidates: dict[str, Work] = {}
    for name, peer in peers.items():
        agree(peer, kind)
        packets = [peer.wire(value) if peer.wire else data for value, data in samples(kind, _COUNT)]
        candidates[name] = _each(peer.decode, packets)
        if peer.encode:
            candidates[f"{name} decode"] = _each(peer.decode, packets, crc=False)
            candidates[f"{name} encode"] = _each(peer.encode, [peer.decode(x) for x in packets], crc=False)
    taken = interleaved(candidates)

    def row(work: str, ours: str, peer: str, goal: float) -> Row:
        a, b = taken[ours], taken[peer]
        name = peers[peer.split(maxsplit=1)[0]].name
        return _row("codec", f"{work}, {_TITLES[kind]}", a, b, name, "ns", goal)

    decode, encode = _BESIDE_HAND[kind]
    return [
        row("decode without CRC", "ours decode", "hand decode", decode),
        row("encode without CRC", "ours encode", "hand encode", encode),
        *(row("decode with CRC", "ours", name, goal) for name, goal in _BESIDE.items()),
        row("dissect in scapy, CRC checked", "scapy_layer", "scapy", 1 / 0.15),
    ]


def _row(group: str, work: str, ours: list[float], peer: list[float], name: str, unit: str, goal: float) -> Row:
    found = ratio(peer, ours)
    median = statistics.median
    return Row(group, work, median(ours), median(peer), name, unit, found, goal, found >= goal)


# ── The C codec ──────────────────────────────────────────────────────────────────────────────────────


def c_rows(kind: str) -> list[Row]:
    """The generated C beside C by hand, and beside nanopb where it is installed; and around Python's value classes."""
    if c99.CC is None:
        print("There is no C compiler (gcc, clang or cc): the C codec is left out.")
        return []
    measured = {
        ("c99", "{} without CRC, {}"): c99.rows(kind),
        ("codec", "{} without CRC, {}, with the accelerator"): accelerator.rows(kind),
    }
    return [
        _row(group, work.format(verb, _TITLES[kind]), ours, peer, name, "ns", goal)
        for (group, work), found in measured.items()
        for verb, ours, peer, name, goal in found
    ]


# ── Keeping ──────────────────────────────────────────────────────────────────────────────────────────


def keeping_row() -> Row:
    """200,000 decoded packets kept, the collector on, beside decoding alone."""
    decode = load("ours").decode
    packets = list(islice(cycle(data for _, data in samples(LEADER, _COUNT)), _KEPT))

    def alone() -> None:
        for data in packets:
            decode(data, crc=False)

    def kept() -> list[object]:
        return [decode(data, crc=False) for data in packets]

    taken = interleaved({"alone": (alone, _KEPT), "kept": (kept, _KEPT)}, rounds=5)
    return _row("codec", "keep 200,000 decoded packets", taken["kept"], taken["alone"], "decoding alone", "ns", 1 / 1.4)


# ── Dissectors ───────────────────────────────────────────────────────────────────────────────────────


def dissector_rows() -> list[Row]:
    """Our dissector for Wireshark beside a naive one, where there is a tshark."""
    if not wireshark.available():
        print("tshark is not installed (Debian: apt-get install tshark): dissectors are left out.")
        return []
    return [
        _row(
            "dissector",
            f"count by a field in tshark, {_TITLES[kind]}",
            *wireshark.times(kind),
            "a naive one",
            "µs",
            goal,
        )
        for kind, goal in wireshark.GOALS.items()
    ]


# ── Start-up ─────────────────────────────────────────────────────────────────────────────────────────


def start_row(work: str, limit: float, *arguments: str) -> Row:
    """Processor time of a command, which is its wall time where nothing else runs; the peer is the limit. Bytecode is
    cached, as wherever opalink is installed."""
    command = [sys.executable, "-m", "opalink", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for _ in range(10):
        before = _children()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        taken.append(_children() - before)
    del taken[0]  # in which it was compiled
    return _row("start", work, taken, [limit] * len(taken), "the limit", "s", 1)


def _children() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# ── The engine ──────────────────────────────────────────────────────────────────────────────────────


def engine_row() -> Row:
    """Payload that both endpoints move; the peer is the goal of 1 Gb/s."""
    found = statistics.median(engine.rates())
    work = f"frame blocks from module to phone through both FLIT layers, {engine.BATCH} FLITs at a time"
    return Row("engine", work, found, 1.0, "the goal", "Gb/s", found, 1.0, found >= 1.0)


# ── The suite ────────────────────────────────────────────────────────────────────────────────────────


def campaign_row() -> Row:
    """A whole certification; the peer is the limit."""
    taken, limit = campaign.seconds(), campaign.LIMIT
    work = f"certify {campaign.PROFILE} under the plan cert over TCP, both processes"
    return Row("suite", work, taken, limit, "the limit", "s", limit / taken, 1, taken <= limit)


# ── The report ───────────────────────────────────────────────────────────────────────────────────────


def page_rows() -> list[Row]:
    """A large report.html in a browser, where there is one; the peer is the limit."""
    if not page.available():
        print("Chromium is not installed (Debian: apt-get install chromium): the report is left out.")
        return []
    taken = page.times()
    work = f"load report.html of {page.TESTS:,} tests in Chromium"
    return [_row("report", work, taken, [page.LIMIT] * len(taken), "the limit", "s", 1)]


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    gc.freeze()  # what was imported is not what is measured
    rows = [*codec_rows(LEADER), *codec_rows(BLOCK), *c_rows(LEADER), *c_rows(BLOCK), keeping_row()]
    data = samples(LEADER, 1)[0][1]
    rows += [start_row("opalink --help", 0.15, "--help"), start_row("opalink decode HEX", 0.25, "decode", data.hex())]
    rows += [engine_row(), campaign_row()]
    rows += dissector_rows()
    rows += page_rows()
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    for r in rows:
        print(f"{'met   ' if r.met else 'MISSED'} {r.ratio:7.2f}× (goal {r.goal:5.2f}×)  {r.work} / {r.peer_name}")


if __name__ == "__main__":
    main()
