"""What speaks for each back end, as the page docs/evidence.md: `python -m tests.differential.evidence` writes it.

Numbers of vectors are counted in the vectors. What takes long is run by name, and remembered in evidence.json with the
day and the catalogue: `python -m tests.differential.evidence c-live` runs it again, with `--size` in another size. A
run that fails is not remembered.

Plan: the runs · the vectors · planted mistakes · tools · the page · the command.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from itertools import groupby
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from opalink.protocol import codec
from opalink.protocol.generate.docs.words import grouped, table
from opalink.protocol.generate.registry import BACKENDS
from opalink.protocol.ir.load import catalogue
from tests.differential import ours
from tests.differential.kinds import ENVELOPES, KINDS, LAYOUTS, OTHERS, SAYINGS, deaf, lacking

ROOT = Path(__file__).resolve().parents[2]
RECORDS = Path(__file__).with_name("evidence.json")
PAGE = ROOT / "docs" / "evidence.md"

# ── The runs ─────────────────────────────────────────────────────────────────────────────────────────


class Run(Struct, frozen=True):
    """A long form: of a back end, live inputs or random schemas; `{}` in its command is its size."""

    name: str
    backend: str
    live: bool
    command: str
    size: int

    def argv(self, size: int = 0) -> list[str]:
        return shlex.split(self.command.format(size or self.size))


RUNS = (
    Run("python-live", "python", True, "tests.differential.bulk --packets {}", 200_000),
    Run("c-live", "c", True, "tests.differential.c --inputs {}", 10_000_000),
    Run("scapy-live", "scapy", True, "tests.differential.bulk --reading scapy --packets {}", 200_000),
    Run("lua-live", "lua", True, "tests.differential.tshark --inputs {}", 100_000),
    Run("ksy-live", "ksy", True, "tests.differential.bulk --reading ksy --packets {}", 20_000),
    Run("python-random", "python", False, "tests.differential.bulk --schemas {}", 1000),
    Run("c-random", "c", False, "tests.differential.c_random --schemas 50 --batches {}", 10),
    Run("scapy-random", "scapy", False, "tests.differential.bulk --reading scapy --schemas {}", 300),
    Run("ksy-random", "ksy", False, "tests.differential.bulk --reading ksy --schemas {}", 100),
)
BY_NAME = {run.name: run for run in RUNS}


class Record(Struct, frozen=True):
    """What came of a run: its last line, the day, and the SHA-256 of the catalogue at the time."""

    command: str
    date: str
    catalogue: str
    said: str

    def counted(self, what: str) -> int:
        """A number of its last line; 0 where it says nothing of the kind."""
        found = re.search(rf"([\d,]+) {what}\b|'{what}': (\d+)", self.said)
        return int((found[1] or found[2]).replace(",", "")) if found else 0


def records() -> dict[str, Record]:
    return msgspec.json.decode(RECORDS.read_bytes(), type=dict[str, Record])


def perform(run: Run, size: int = 0) -> Record:
    """Run it. Raises CalledProcessError where it finds a difference, or does not do its work."""
    argv, of = run.argv(size), catalogue().fingerprint
    done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    last = done.stdout.strip().splitlines()[-1]
    return Record(f"python -m {shlex.join(argv)}", datetime.now(UTC).date().isoformat(), of, last)


def remember(name: str, record: Record) -> None:
    known = records() | {name: record}
    ordered = {run.name: known[run.name] for run in RUNS if run.name in known}
    RECORDS.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


# ── The vectors ──────────────────────────────────────────────────────────────────────────────────────

# The tests that try every vector.
POSITIVE = {
    "python": "tests/test_vectors.py::test_vectors_decode_and_encode",
    "c": "tests/test_c99.py::test_vectors_have_the_same_outcome",
    "scapy": "tests/test_scapy.py::test_vectors_are_dissected_and_built",
    "lua": "tests/test_lua.py::test_every_field_of_every_vector_is_ours_and_every_fault_shows",
    "ksy": "tests/test_ksy.py::test_positive_vectors_are_read_as_our_codec_reads_them",
    "vectors": "tests/differential/test_catalogue.py::test_vectors_mean_the_same_to_both",
    "docs": "tests/test_docs.py::test_an_example_shows_every_byte_of_a_packet_that_decodes",
}
NEGATIVE = POSITIVE | {
    "ksy": "tests/test_ksy.py::test_negative_vectors_are_refused_unless_nothing_but_the_crc_is_wrong",
}
del NEGATIVE["docs"]  # which shows no packet that is wrong


def positive(backend: str) -> int:
    """How many vectors the test of a back end has it accept."""
    if backend == "docs":
        return len(catalogue().packets)  # one example of each
    return sum(v.error is None for v in ours.all_vectors()) if backend in POSITIVE else 0


@cache
def negative(backend: str) -> int:
    """How many it has it refuse."""
    wrong = [bytes.fromhex(v.hex) for v in ours.all_vectors() if v.error]
    if backend == "ksy":
        return sum(_wrong_without_crc(data) for data in wrong)
    return len(wrong) if backend in NEGATIVE else 0


def _wrong_without_crc(data: bytes) -> bool:
    try:
        codec.decode(data, crc=False)
    except codec.DecodeError:
        return True
    return False


# ── Planted mistakes ─────────────────────────────────────────────────────────────────────────────────

# Where the mistakes stand that were planted in what a back end makes; a test beside each kills every one.
MUTANTS = {
    "python": "tests.differential.mutants",
    "c": "tests.test_c99_random",
    "scapy": "tests.test_scapy_random",
    "lua": "tests.test_lua",
    "ksy": "tests.test_ksy",
    **dict.fromkeys(("json", "vectors", "docs", "picture", "promela"), "tests.test_planted"),
}


def planted(backend: str) -> int:
    if backend not in MUTANTS:
        return 0
    found = import_module(MUTANTS[backend]).MUTANTS
    return len(found.get(backend, found) if isinstance(found, dict) else found)


# ── Tools ────────────────────────────────────────────────────────────────────────────────────────────

# What others wrote, and in what it agrees: with the test, or the module of tests, that asks it.
TOOLS = {
    "python": (("construct", "reads and writes the same", "tests/differential/test_catalogue.py"),),
    "c": (
        ("gcc, clang", "compile it without a warning", "tests/test_c99.py"),
        ("ASan, UBSan", "see nothing", "tests/differential/c.py"),
        ("cppcheck", "has nothing to say", "tests/test_c99.py"),
    ),
    "scapy": (("scapy", "dissects and builds the same", "tests/test_scapy.py"),),
    "lua": (("tshark", "shows the same", "tests/test_lua.py"), ("luac", "reads the file", "tests/test_lua.py")),
    "ksy": (("kaitai-struct-compiler", "compiles it, and its Python reads the same", "tests/test_ksy.py"),),
    "vectors": (("construct", "reads the same", "tests/differential/test_catalogue.py"),),
    "docs": (("Sphinx", "builds it without a warning", "tests/test_docs_build.py"),),
    "promela": (("spin", "proves what is declared of the machines", "tests/test_promela.py"),),
}

# ── The page ─────────────────────────────────────────────────────────────────────────────────────────

_HEAD = """\
# Back ends and their evidence

What is made of the one declaration, what each part of a layout becomes in it, and what speaks for each.
`python -m tests.differential.evidence` makes this page, and a test compares it. No number here is written by hand.

## What there is
"""
_KINDS = """
## Nothing is left out

Kinds of parts of a layout, and back ends: ✓ where the back end makes something of a part of the kind. Below them, of
how many things that can be said of a part or of an envelope (a width, a bound, a member, an order) each takes account.
`tests/test_backends.py` asks every back end, and fails where one lacks a kind.
"""
_TABLE = """
## The evidence

Vectors are the checked-in samples. Live inputs are packets made as the run goes, legal and damaged in every way, of
which the back end must say what the Python codec and construct say. Random schemas are catalogues that nobody thought
of. Planted mistakes are faults put into what a generator makes, each of which its tests find. A dash: nothing of the
kind.
"""
_RUNS = """
## The runs

Each can be had again by its command; the number in brackets above is its number here.
"""


def page() -> str:
    """The page, from the vectors, the back ends, the tests and what was remembered."""
    c = catalogue()
    parts = [
        _HEAD.splitlines(), _overview(), _KINDS.splitlines(), _matrix(), _TABLE.splitlines(), _evidence(),
        [f"The vectors are those of the catalogue with SHA-256 `{c.fingerprint}`.", ""],
        _RUNS.splitlines(), _remembered(), ["## The tests", ""], list(_tests()),
    ]  # fmt: skip
    text = "\n".join(line for part in parts for line in (*part, ""))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _overview() -> list[str]:
    return table(("Back end", "What it makes"), [(f"`{b.name}`", b.doc) for b in BACKENDS.values()])


def _matrix() -> list[str]:
    lost = {b.name: lacking(b) for b in LAYOUTS}
    rows = [
        (kind.__name__, *("–" if kind in lost[b.name] else "✓" for b in LAYOUTS))
        for kind in sorted(KINDS, key=lambda kind: kind.__name__)
    ]
    said = len(SAYINGS) + len(ENVELOPES)
    rows.append(("*of what is said*", *(f"{said - len(deaf(b))} of {said}" for b in LAYOUTS)))
    without = ", ".join(f"`{name}` is made of {what}" for name, what in OTHERS.items())
    note = f"Not made of layouts: {without}. A vector is a packet, so what is said of other envelopes is nothing to it."
    return [*table(("Kind", *(f"`{b.name}`" for b in LAYOUTS)), rows), note]


def _evidence() -> list[str]:
    heads = ("Back end", "Vectors: accepted", "Vectors: refused", "Live inputs", "Random schemas", "Planted mistakes",
             "Others' tools that agree")  # fmt: skip
    rows = [
        (f"`{name}`", *(grouped(n) if n else "–" for n in (positive(name), negative(name))), _cell(name, True),
         _cell(name, False), str(planted(name) or "–"), ", ".join(tool for tool, _, _ in TOOLS.get(name, ())) or "–")
        for name in BACKENDS
    ]  # fmt: skip
    return table(heads, rows)


def _cell(backend: str, live: bool) -> str:
    known = records()
    told = []
    for n, run in enumerate((r for r in RUNS if r.name in known), 1):
        record = known[run.name]
        if (run.backend, run.live) == (backend, live):
            inputs = record.counted("inputs") or record.counted("packets")
            schemas = "" if live else f"{grouped(record.counted('schemas'))}, with "
            older = "" if record.catalogue == catalogue().fingerprint else ", of an older catalogue"
            told.append(f"{schemas}{grouped(inputs)}{' inputs' if schemas else ''} [{n}]{older}".replace("[", "\\["))
    return "; ".join(told) or "–"


def _remembered() -> list[str]:
    known = records()
    rows = [
        (str(n), f"`{r.command}`", r.date, f"`{r.catalogue[:8]}`", r.said.replace("|", "\\|"))
        for n, r in enumerate((known[run.name] for run in RUNS if run.name in known), 1)
    ]
    return table(("", "Command", "Day", "Catalogue", "What it said"), rows)


def _tests() -> Iterator[str]:
    """Who tries the vectors, who kills the planted mistakes, who asks the tools."""
    for name in BACKENDS:
        tests = list(dict.fromkeys(found[name] for found in (POSITIVE, NEGATIVE) if name in found))
        said = [f"the vectors by {' and '.join(f'`{t}`' for t in tests)}"] if tests else []
        if name in MUTANTS:
            said.append(f"planted mistakes in `{MUTANTS[name].replace('.', '/')}.py`")
        for place, found in groupby(TOOLS.get(name, ()), key=lambda tool: tool[2]):
            said.append(f"{'; '.join(f'{tool} {does}' for tool, does, _ in found)}: `{place}`")
        if said:
            yield f"- `{name}`: {'; '.join(said)}."


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice([*BY_NAME, "all"]))
@click.option("--size", default=0, help="Of the runs that are named, instead of their own.")
def main(names: tuple[str, ...], size: int) -> None:
    for name in BY_NAME if "all" in names else names:
        try:
            record = perform(BY_NAME[name], size)
        except subprocess.CalledProcessError as error:
            raise click.ClickException(f"{name} is not remembered: its exit code is {error.returncode}.") from None
        click.echo(f"{name}: {record.said}")
        remember(name, record)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
