"""The C codec of random schemas and of the catalogue on random inputs; generators that are wrong in one place.

Plan: random schemas · mutants · the differential run.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from opalink.protocol.errors import Fault
from opalink.protocol.generate.c import SOURCE, files
from opalink.protocol.ir.load import catalogue
from tests.differential import c as differential
from tests.differential import c_random
from tests.differential.c_driver import CC, SANITIZE, WITHOUT, Driver, cached, real
from tests.differential.c_random import Trials, differences, source

pytestmark = pytest.mark.skipif(CC is None, reason=WITHOUT)

PLAIN = ("-O0",)
UNLUCKY = (1010, 1020)  # a header with a field `length2` beside `length`

# ── Random schemas ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pool() -> list[Trials]:
    return [Trials(seed, 3) for seed in (*range(8), *UNLUCKY)]


def test_whatever_can_be_declared_means_the_same_in_c(pool: list[Trials]) -> None:
    count: Counter[str] = Counter()
    with Driver(cached(source(pool), ("-O0", *SANITIZE))) as driver:
        assert next(differences(driver, pool, count), None) is None
    assert count["accepted"] > count["inputs"] / 5
    assert count["refused"] > count["inputs"] / 5


def test_the_runner_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_random, "build", lambda text, _: cached(text, PLAIN))
    done = CliRunner().invoke(c_random.main, ["--batches", "1", "--schemas", "2", "--effort", "1"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2 schemas, ")
    assert done.output.endswith(" 0 differences\n")


# ── Mutants ──────────────────────────────────────────────────────────────────────────────────────────

Replacement = str | Callable[[re.Match[str]], str]

REFUSE = r"\) \{\n {8}return NULL"

MUTANTS: dict[str, tuple[str, Replacement]] = {
    "big-endian": (r"\(p\[0\] \| \(uint32_t\)p\[1\] << 8\)", "(p[1] | (uint32_t)p[0] << 8)"),
    "shift of a bit field": (r">> (\d+) & ", lambda m: f">> {int(m[1]) - 1} & "),
    "a window too small": (rf"(?<=end - p < )(\d+)(?={REFUSE})", lambda m: str(int(m[1]) - 1)),
    "greatest number": (rf"(?<= > )(UINT32_C\()?(\d+)(?=\)?u?{REFUSE})", lambda m: f"{m[1] or ''}{int(m[2]) + 1}"),
    "any count": (r"if \((?:n < \d+u \|\| )?n > UINT32_C\(\d+\)\) \{", "if (false) {"),
    "a constant, not asked": (rf"(!= \d+u)(?={REFUSE})", r"\1 && false"),
    "bytes read again": (r"(\.n = n;\n)    p \+= n;", r"\1"),
    "TLVs of any length": (r"if \(\(size_t\)\(end - p - 4\) < n\)", "if (false)"),
    "number of a row": (r"opal_enter\(e, x->field, row\)", "opal_enter(e, x->field, row + 1)"),
    "place of what is short": (r"(opal_found\(e, OPAL_SHORT, p) \+ 4,", r"\1,"),
    "sign of a bound": (r"OPAL_LAST \| OPAL_SIGNED", "OPAL_LAST"),
    "CRC not over the header": (r"(OPAL_CRC\w+\()p, (\d+)u \+", r"\1p + 1, \2u - 1 +"),
    "CRC, not asked": (r"if \(!framed \|\| damaged\)", "if (!framed)"),
    "left over called short": (r"OPAL_LONG, p \+ check", "OPAL_SHORT, p + check"),
    "any count, written": (r"n > UINT32_C\(\d+\)(?=\) \{\n {8}\(void\)opal_found\(e, OPAL_CAP)", "n > 70000"),
    "any number, written": (r"if \(v->[^{]*(?=\{\n {8}\(void\)opal_found\(e, OPAL_RANGE)", "if (false) "),
    "number of a row, written": (r"opal_inside\(e, (\w+), i\)", r"opal_inside(e, \1, i + 1)"),
    "events as requests": (r"\? 0u : 3u", "? 0u : 0u"),
    "raw data with what is before it": (r"(\.at = p) \+ \d+;", r"\1;"),
}


FEW = (0, 11)  # enough to kill every mutant that no sanitizer has to see


@pytest.fixture(scope="module")
def few() -> list[Trials]:
    return [Trials(seed, 2) for seed in FEW]


# What these make of the codec is right in the end, after a look beyond the input.
SANITIZED = {"a window too small", "TLVs of any length"}


def death(change: Callable[[str], str], few: list[Trials], flags: tuple[str, ...] = PLAIN) -> str:
    """What the trials say of a generator that makes this of its text; nothing if it lives."""
    try:
        with Driver(cached(source(few, change), flags)) as driver:
            return next(differences(driver, few), "")
    except AssertionError as error:  # it no longer compiles, or dies of what it reads
        return str(error) or "gave up"


def test_the_generator_as_it_is_lives(few: list[Trials]) -> None:
    assert death(str, few) == ""


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_dies(name: str, few: list[Trials], pool: list[Trials]) -> None:
    pattern, by = MUTANTS[name]
    assert re.search(pattern, "".join(t.files[SOURCE].decode() for t in few)), "applies nowhere"
    flags = ("-O0", *SANITIZE) if name in SANITIZED else PLAIN
    victims = pool if name in SANITIZED else few
    said = death(lambda text: re.sub(pattern, by, text), victims, flags)
    marks = ("Sanitizer",) if name in SANITIZED else ("seed ", "gave up")
    assert any(mark in said for mark in marks), f"{name}: {said or 'lives'}"


# ── The differential run ─────────────────────────────────────────────────────────────────────────────


def test_the_differential_run_finds_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differential, "build", lambda text, _: cached(text))
    done = CliRunner().invoke(differential.main, ["--inputs", "20000", "--seed", "5"])
    assert done.exit_code == 0, done.output
    assert ": 20,000 inputs, " in done.output
    assert done.output.endswith("; 0 differences\n")


def test_the_differential_run_sees_a_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = real(catalogue())
    assert SOURCE in files(catalogue())
    wrong = text.replace("e->step[e->depth].index = index;", "e->step[e->depth].index = index & 0xfffffffe;")
    assert wrong != text
    executable = differential.build(wrong, tmp_path, PLAIN)
    monkeypatch.setattr(differential, "build", lambda *_: executable)
    done = CliRunner().invoke(differential.main, ["--inputs", "8000", "--shown", "2"])
    assert done.exit_code == 1, done.output
    assert "Python " in done.output


def test_every_message_is_tried_with_every_error_that_it_can_have() -> None:
    wanted = differential.applicable(catalogue())
    assert len({name for name, _ in wanted}) > 150
    assert {fault for _, fault in wanted} >= {Fault.SHORT, Fault.LONG, Fault.RANGE, Fault.CAP, Fault.CRC}
