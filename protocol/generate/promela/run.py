"""Runs the checker spin on a model: what holds, in how many states, and what happened where something does not.

spin makes a verifier of a model, gcc compiles it, and it visits every state. A property of states is judged first; what
it finds broken is sought again breadth-first, so that the ladder is short. Then cycles are sought on which the sides
never come to the common state.

Plan: verdicts · running · the ladder.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from opalink.protocol.generate.promela import text
from opalink.protocol.ir import model as ir
from opalink.spec.form import Record
from opalink.spec.model_form import Model

TOOLS: Final = ("spin", "gcc")
LIVELOCK: Final = "once the world is calm, the sides come to the common state and stay"
NO_ROOM: Final = "the wire of the model holds what is on its way"
_COMMON: Final = ("-DVECTORSZ=2048", "-DMEMLIM=6000")
_SEARCHES: Final = {
    "states": (("-DSAFETY", "-DNOCLAIM"), ("-m5000000",)),
    "shortest": (("-DSAFETY", "-DNOCLAIM", "-DBFS"), ()),
    "cycles": ((), ("-a", "-m5000000")),
}

# ── Verdicts ─────────────────────────────────────────────────────────────────────────────────────────


class SpinError(RuntimeError):
    """spin, gcc or the verifier did not do their work: a fault of the model or of the machine, and no verdict."""


class Verdict(Record, frozen=True):
    """`broken` is the property that does not hold, with the `ladder` of packets that leads there; empty where all
    hold. `states` and `transitions` are those that both searches visited."""

    model: str
    states: int
    transitions: int
    broken: str = ""
    ladder: tuple[str, ...] = ()


def missing() -> list[str]:
    """The tools that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


# ── Running ──────────────────────────────────────────────────────────────────────────────────────────


def verify(catalogue: ir.Catalogue, model: Model, *, seconds: float = 300, cycles: bool = True) -> Verdict:
    """Judge a model. Raises SpinError where that cannot be done within `seconds` a search."""
    source = text(catalogue, model)
    with tempfile.TemporaryDirectory(prefix="opalink-") as name:
        folder = Path(name)
        (folder / "model.pml").write_text(source)
        _call(folder, seconds, "spin", "-a", "model.pml")
        states, transitions, failed = _search(folder, "states", seconds)
        if failed:
            try:
                _search(folder, "shortest", seconds)
            except SpinError:
                # Breadth-first keeps more in memory: the first counterexample found must do.
                _search(folder, "states", seconds)
            return _broken(folder, model, source, states, transitions)
        if cycles:
            more, steps, failed = _search(folder, "cycles", seconds)
            states, transitions = states + more, transitions + steps
            if failed:
                _shorten(folder, seconds)
                return _broken(folder, model, source, states, transitions)
        return Verdict(model.name, states, transitions)


def _shorten(folder: Path, seconds: float) -> None:
    """Look for a cycle that is found at less depth than the one that was."""
    trail = next(folder.glob("*.trail"))
    found = trail.read_bytes()
    for depth in (250, 500, 1000, 2000):
        trail.unlink(missing_ok=True)
        _call(folder, seconds, "./pan", "-w22", "-a", f"-m{depth}")
        if trail.exists():
            return
    trail.write_bytes(found)


def _search(folder: Path, kind: str, seconds: float) -> tuple[int, int, bool]:
    """(states, transitions, whether something is broken) of one search."""
    compiling, running = _SEARCHES[kind]
    for trail in folder.glob("*.trail"):
        trail.unlink()
    _call(folder, seconds, "gcc", "-w", *_COMMON, *compiling, "-o", "pan", "pan.c")
    out = _call(folder, seconds, "./pan", "-w22", *running)
    found = {name: re.search(rf"(\d+) {name}", out) for name in ("states, stored", "transitions")}
    errors = re.search(r"errors: (\d+)", out)
    if errors is None or None in found.values() or "max search depth too small" in out or "out of memory" in out:
        raise SpinError(f"The verifier gave no verdict: {out[-500:].strip()}")
    numbers = [int(x[1]) for x in found.values() if x is not None]
    return numbers[0], numbers[1], errors[1] != "0"


def _call(folder: Path, seconds: float, *command: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
        )
    except FileNotFoundError:
        raise SpinError(f"{command[0]} is not installed (Debian: apt-get install spin gcc).") from None
    except subprocess.TimeoutExpired:
        raise SpinError(f"{command[0]} did not end within {seconds:g} s.") from None
    if (done.returncode and command[0] != "./pan") or ("rror:" in done.stdout and command[0] == "spin"):
        raise SpinError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-500:].strip()}")
    return done.stdout


def _broken(folder: Path, model: Model, source: str, states: int, transitions: int) -> Verdict:
    told = [line for line in _call(folder, 60, "./pan", "-r").splitlines() if re.match(r"[A-Z]+ |\s*<<<<<START", line)]
    named = [line.removeprefix("BROKEN ") for line in told if line.startswith("BROKEN ")]
    full = any(line.startswith("FULL ") for line in told[-1:])
    broken = named[-1] if named else NO_ROOM if full else LIVELOCK
    return Verdict(model.name, states, transitions, broken, tuple(ladder(source, told)))


# ── The ladder ───────────────────────────────────────────────────────────────────────────────────────

_WIDTH: Final = 46


def ladder(source: str, told: list[str]) -> list[str]:
    """What a run told, as the packets between the sides: the phone on the left, the module on the right."""
    numbers = {
        int(n): name
        for name, n in re.findall(r"^#define (\w+_(?:request|response|error|event)) (\d+)$", source, re.MULTILINE)
        if not name.startswith("E_")
    }
    states: dict[tuple[str, str], dict[str, str]] = {}
    for side, machine, state, n in re.findall(r"^#define (phone|module)_([A-Z]+)_(\w+) (\d+)$", source, re.MULTILINE):
        states.setdefault((side, machine), {})[n] = state
    statuses = {n: s for s, n in re.findall(r"^#define S_(\w+) (\d+)$", source, re.MULTILINE)}
    lines, ticks = [f"{'phone':<{_WIDTH}}module"], 0
    for line in told:
        kind, _, rest = line.partition(" ")
        if kind == "TICK":
            ticks += 1
            continue
        if ticks:
            lines.append(_across(f"({ticks} ticks)" if ticks > 1 else "(1 tick)"))
            ticks = 0
        lines.append(_rung(kind, rest.split(), numbers, states, statuses).rstrip())
    return lines


def _across(what: str) -> str:
    return f"{what:^{_WIDTH + 10}}".rstrip()


def _rung(
    kind: str,
    words: list[str],
    numbers: dict[int, str],
    states: dict[tuple[str, str], dict[str, str]],
    statuses: dict[str, str],
) -> str:
    side = words[0] if words else ""
    match kind:
        case "ROW":
            _, machine, left, to, event = words
            state = states[side, machine][left]
            what = f"{machine}: {state}" + (f" → {to}" if to not in ("-", state) else "") + f" ({event})"
        case "SEND":
            answer = f" {statuses.get(words[4], words[4])}" if len(words) > 4 else ""
            what = f"{words[1]} {words[2]}{answer} [{words[3]}]"
            what = f"──── {what} ───▶" if side == "phone" else f"◀─── {what} ────"
        case "RECV":
            what = f"takes {words[1]} {words[2]}"
        case "LOST" | "DROP":
            what = f"✗ {numbers[int(words[1])].replace('_', ' ')} is lost" if words[1].isdigit() else "✗ lost"
        case "IGNORED" | "FULL":
            what = f"{words[1]} {words[2]}: {'passed over' if kind == 'IGNORED' else 'no room on the wire'}"
        case "TIMER":
            what = f"{words[1]} runs out"
        case "WORLD":
            what = " ".join(words[1:])
        case "CALM":
            return _across("· from here on the world is calm ·")
        case "BROKEN":
            return "✗ " + " ".join(words)
        case _:
            return _across("· from here on it repeats ·")
    if side == "world":
        return _across(f"* {what} *")
    return what if side == "phone" else " " * _WIDTH + what
