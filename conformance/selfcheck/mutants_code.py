"""Mutants of the reference module's code: slips that a general tool makes, beside the mistakes of the catalogue.

A mutant of the catalogue does something else than declared; one of these is a slip in what is written by hand around
the declarations. Cosmic Ray finds the places and makes the change. Each mutant is tried in a process of its own, in
which one file is other than on disk, and meets those tests alone that run its line, the narrowest first. Of code
nobody can prove that a change makes no difference, so the numbers stand apart: a survivor is looked at by a person.

Plan: a mutant · which there are · the tests that run a line · a trial.
"""

import ast
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from subprocess import run
from typing import Final

from msgspec import Struct

from opalink.conformance.campaign import begin
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import select
from opalink.conformance.selfcheck import planting
from opalink.conformance.selfcheck.measure import Depth, Fate, Outcome, Part, StuckError, limited
from opalink.conformance.verdicts import Verdict
from opalink.protocol.engine import module as reference
from opalink.protocol.engine.module import Module
from opalink.protocol.transport import BenchError
from opalink.spec.form import Role

# ── A mutant ─────────────────────────────────────────────────────────────────────────────────────────


class CodeMutant(Struct, frozen=True):
    """The nth place at which an operator of Cosmic Ray changes a file of the module: `line` is where."""

    file: str
    operator: str
    nth: int
    line: int

    @property
    def id(self) -> str:
        return f"code.{self.file}.{self.operator}.{self.nth}"

    @property
    def module(self) -> str:
        """The module that it is in, by its whole name."""
        return f"{reference.__name__}.{self.file}"

    def source(self) -> str:
        """The whole file with this one change."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        changed = mutate_code(_path(self.file).read_text(), get_operator(f"core/{self.operator}")(), self.nth)
        return str(changed)


def _path(file: str) -> Path:
    return FOLDER / f"{file}.py"


FOLDER: Final = Path(reference.__path__[0]).resolve()

# ── Which there are ──────────────────────────────────────────────────────────────────────────────────

COUNT: Final = 200  # of all that the operators make, evenly spread

# What a hand slips on. The tool's other operators make of every comparison each other one, which is the same mistake
# once more, or of every sum a shift, which nobody writes.
OPERATORS: Final = (
    "AddNot",
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_FloorDiv_Mul",
    "ReplaceBinaryOperator_Mul_FloorDiv",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBreakWithContinue",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ZeroIterationForLoop",
)


def available() -> bool:
    """Whether the tool is installed: `pip install 'opalink[mutation]'`."""
    return find_spec("cosmic_ray") is not None


@cache
def code_mutants() -> Mapping[str, CodeMutant]:
    """COUNT mutants, evenly spread over all that there are, in the order of the files; none without the tool."""
    if not available():
        return {}
    whole = [m for path in sorted(FOLDER.glob("*.py")) for m in _of_file(path)]
    step = len(whole) / COUNT
    return {m.id: m for m in (whole[int(n * step)] for n in range(COUNT))}


def _of_file(path: Path) -> list[CodeMutant]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    text = path.read_text()
    nodes, silent, within = list(ast_nodes(get_ast(text))), set(_annotations(text)), set(_bodies(text))
    out = []
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        for nth, (start, _) in enumerate(p for node in nodes for p in operator.mutation_positions(node)):
            if start not in silent and start[0] in within:
                out.append(CodeMutant(path.stem, name, nth, start[0]))
    return sorted(out, key=lambda m: (m.line, m.operator, m.nth))


def _bodies(text: str) -> Iterator[int]:
    """The lines that do something. The others say what this very module has: with another number there it would be
    another module, as good as this one."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield from range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)


def _annotations(text: str) -> Iterator[tuple[int, int]]:
    """Where types stand, which nothing evaluates that a peer could see: line and column of each part."""
    for node in ast.walk(ast.parse(text)):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            for inner in ast.walk(part) if part is not None else ():
                if isinstance(inner, ast.expr):
                    yield inner.lineno, inner.col_offset


# ── The tests that run a line ────────────────────────────────────────────────────────────────────────

PROFILE: Final = "standalone"  # of all profiles the one whose module has most


def module() -> Module:
    """The module as this process has it."""
    return Module(PROFILE)


_URI: Final = f"py:{__name__}:{module.__name__}"


def lines(folder: Path, mark: str, purposes: Iterable[Purpose] | None = None) -> Path:
    """The record of which of some tests, or of all, runs which line, made if there is none of this very suite: a data
    file of coverage."""
    from coverage import Coverage

    path = folder / f"lines-{mark[:16]}.coverage"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        seen = Coverage(data_file=str(part), include=[f"{FOLDER}/*"], config_file=False)
        with begin(_URI, Options(plan=Plan.CI)) as certification:
            seen.start()
            for purpose in select(Role.MODULE, Plan.CI) if purposes is None else purposes:
                seen.switch_context(purpose.id)
                certification.runner.step(purpose)
            seen.stop()
        seen.save()
        part.rename(path)
    return path


def near(mutant: CodeMutant, record: Path) -> list[str]:
    """The tests that run the line of a mutant, those first that run least of its file."""
    found = _by_line(record, mutant.file)
    width = dict[str, int]()
    for tests in found.values():
        for test in tests:
            width[test] = width.get(test, 0) + 1
    return sorted(found.get(mutant.line, ()), key=lambda t: (width[t], t))


@cache
def _by_line(record: Path, file: str) -> Mapping[int, Sequence[str]]:
    from coverage import CoverageData

    data = CoverageData(basename=str(record))
    data.read()
    return {line: [t for t in tests if t] for line, tests in data.contexts_by_lineno(str(_path(file))).items()}


# ── A trial ──────────────────────────────────────────────────────────────────────────────────────────


def try_code(mutant: CodeMutant, folder: Path, mark: str = "") -> Outcome:
    """What the suite says of a mutant, in a process of its own."""
    tests = near(mutant, lines(folder, mark))
    if not tests:
        return Outcome(mutant.id, mark, Part.CODE, Fate.SURVIVED, Depth.CORPUS, why=f"No test runs {_place(mutant)}.")
    fate, by, why = planted(mutant.module, mutant.source(), tests)
    said = why if fate is Fate.KILLED else f"{_place(mutant)}: {why}"
    return Outcome(mutant.id, mark, Part.CODE, fate, Depth.CORPUS, by, why=said)


def planted(name: str, source: str, tests: Sequence[str]) -> tuple[Fate, str, str]:
    """What some tests find, one after the other, in a process whose module `name` has another source: the fate, the
    test that decided, and what it says. Raises BenchError if the process comes to nothing."""
    task = json.dumps({"name": name, "source": source, "tests": tests})
    command = (sys.executable, "-P", planting.__file__)
    ended = run(command, input=task, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchError(f"A mutant of {name} ends its process: {ended.stderr.strip()[-500:]}")
    fate, by, why = json.loads(ended.stdout)
    return Fate(fate), by, why


def _place(mutant: CodeMutant) -> str:
    return f"line {mutant.line} of {mutant.file}.py"


def meet(tests: Sequence[str]) -> tuple[Fate, str, str]:
    """The first of some tests that fails this process's module, and what it found; else how many did not."""
    try:
        with limited():
            certification = begin(_URI, Options(plan=Plan.CI))
    except (BenchError, StuckError) as error:
        return Fate.KILLED, "binding", str(error)
    purposes, met = {p.id: p for p in select(Role.MODULE, Plan.CI)}, 0
    with certification:
        if certification.stopped:
            return Fate.KILLED, "PICS", " ".join(certification.stopped)
        for test in tests:
            with limited():
                result = certification.runner.step(purposes[test])
            stuck = result.verdict is Verdict.ERROR and result.reason.startswith(StuckError.__name__)
            if result.verdict is Verdict.FAIL or stuck:
                return Fate.KILLED, test, result.actual or result.reason
            met += result.verdict in (Verdict.PASS, Verdict.INCONC)
    return Fate.SURVIVED, "", f"none of {met} tests failed."
