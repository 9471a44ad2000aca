"""Generators that are wrong in one place: what a mistake in them would have made of the codec.

A mutant is a substitution in the generated text, or in the text of the run-time library that it calls, made
wherever it applies. Every one of them changes what some schema decodes or encodes; one that no trial notices is a
hole in the trials.

Plan: numbers · runs and counts · envelopes and packets · encoders · the run-time library.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from opalink.protocol import runtime
from tests.differential.agreement import Module, load

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Mutant:
    """`pattern` becomes `by`, in the generated code or in the run-time library."""

    name: str
    pattern: str
    by: Replacement
    in_runtime: bool = False

    def module(self, source: str) -> Module | None:
        """The codec with the mistake in it; None where the mistake cannot be made."""
        if self.in_runtime:
            return _with_runtime(load(source), self)
        changed, n = re.subn(self.pattern, self.by, source)
        return load(changed) if n else None


def _with_runtime(module: Module, mutant: Mutant) -> Module:
    """The codec on top of another run-time library. Its TLVs stay the real ones, so that they can be compared."""
    text, n = re.subn(mutant.pattern, mutant.by, inspect.getsource(runtime))
    assert n, f"{mutant.name} applies nowhere"
    wrong = ModuleType("runtime")
    wrong.__dict__["__name__"] = "runtime"
    exec(compile(text, "runtime", "exec"), wrong.__dict__)  # noqa: S102 (our own text, changed here)
    wrong.__dict__["Tlv"] = runtime.Tlv
    for name in list(module):
        if name.startswith("_") and hasattr(runtime, name[1:]) and name not in ("_Tlv", "_Item"):
            module[name] = getattr(wrong, name[1:])
    return module


def _more(group: int, by: int = 1) -> Callable[[re.Match[str]], str]:
    """The match with the number in one group changed."""

    def change(found: re.Match[str]) -> str:
        start, end = found.start(group) - found.start(), found.end(group) - found.start()
        return found[0][:start] + str(int(found[group]) + by) + found[0][end:]

    return change


MUTANTS = (
    # ── Numbers ──
    Mutant("big-endian", r"_Packer\('<", r"_Packer('>"),
    Mutant(
        "unsigned",
        r"(_Packer\('<)(.*[bhiq].*)('\))",
        lambda m: m[1] + re.sub("[bhiq]", lambda x: x[0].upper(), m[2]) + m[3],
    ),
    Mutant(
        "signed",
        r"(_Packer\('<)(.*[BHIQ].*)('\))",
        lambda m: m[1] + re.sub("[BHIQ]", lambda x: x[0].lower(), m[2]) + m[3],
    ),
    Mutant("shift of a bit field", r"(_w_\w+) >> (\d+)", _more(2, -1)),
    Mutant("mask of a bit field", r"(_w_\w+(?: >> \d+)?) & (\d+)", lambda m: f"{m[1]} & {int(m[2]) >> 1}"),
    Mutant("high part of a u24", r"<< 16\)", "<< 15)"),
    Mutant("no high part of a u24", r"\((\w+) \| _h_\w+ << 16\)", r"(\1)"),
    Mutant("greatest number", r"(<= \(?\w+(?:[^<>=\n]*?)\)?) <= (\d+)(?= or|:)", _more(2)),
    Mutant("least number", r"(?<=not )(-?\d+) <= (?!_v)", _more(1, -1)),
    Mutant("greatest number but for one", r"((?:if| or) \w+ > )(-?\d+)(?= or|:\n {8,12}raise _run_fault)", _more(2)),
    Mutant("least number but for one", r"((?:if| or) \w+ < )(-?\d+)(?= or|:\n {8,12}raise _run_fault)", _more(2, -1)),
    Mutant("zero as good as another number", r"(?<=if |or )not \w+(?= or|:\n {8,12}raise _run_fault)", "False"),
    Mutant("strictly less than the greatest", r"(?<=[\w)]) > (\d+)(?= or|:\n {8}raise _run_fault)", r" >= \1"),
    Mutant(
        "any constant", r"(?:\([^()\n]*\)|\b\w+|\(\w+ \| \w+ << 16\)) != -?\d+(?= or|:\n {8}raise _run_fault)", "False"
    ),
    Mutant("neighbour in an enumeration", r"(_T_E\d+_\d+\[)", r"\g<1>1 ^ "),
    Mutant("fields change places", r"(return P\w*\()(\w+), (\w+)", r"\1\3, \2"),
    Mutant("default", r"( {4}\w+: int = )(-?\d+)", _more(2)),
    # ── Runs and counts ──
    Mutant("window of a run one byte too short", r"(if _e - _o < )(\d+)(:\n {8}raise _run_fault)", _more(2, -1)),
    Mutant("window of a run one byte too long", r"(if _e - _o < )(\d+)(:\n {8}raise _run_fault)", _more(2)),
    Mutant("span of a run", r"( {4}_o \+= )(\d+)(\n {4}(?:if|return))", _more(2)),
    Mutant("left-over bytes of a number", r"if _e - _o != \d+:", "if False:"),
    Mutant("any count", r"(?:not _n or |_n < \d+ or )?_n > \d+:", "False:"),
    Mutant("one more than the capacity", r"(_n > )(\d+):", _more(2)),
    Mutant("any raw data", r"if \(_n := _e - _o\) < \d+ or _n > \d+:", "if False:"),
    Mutant("the last number of a run twice as wide", r"(_Packer\('<[^']*)B'\)", r"\1H')"),
    Mutant("counted bytes that are not there", r"if _e - _o < _n:", "if False:"),
    Mutant("one counted byte less", r"_b\[_o : _o \+ _n\]", "_b[_o : _o + _n - 1]"),
    Mutant("rows read again", r"_o = _w\n", "pass\n"),
    Mutant("rows beyond the window", r"_w > _e:", "_w > len(_b):"),
    Mutant("raw data to the end of the buffer", r"_b\[_o( \+ \d+ )?: ?_e\]", r"_b[_o\1:]"),
    Mutant("number of a row", r"\[\{_i\}\]", "[{_i + 1}]"),
    Mutant("number of a row that is read in place", r"(\[\{len\(\w+\))\}\]", r"\1 + 1}]"),
    Mutant("span of a row that is read in place", r"( {8}_o \+= )(\d+)", _more(2)),
    Mutant("the wrong space", r"(_decode_tlvs\(.*?), _K_\w+.*?\)", r"\1, {})"),
    # ── Envelopes and packets ──
    Mutant("CRC not over the first byte", r"\(_b\[:_e\]\)", "(_b[1:_e])"),
    Mutant("CRC over itself", r"\(_b\[:_e\]\)", "(_b)"),
    Mutant("CRC in the other order", r'(_b\[_e:\], ")little', r"\1big"),
    Mutant("any CRC", r" or crc and ", " or False and "),
    Mutant("another residue", r"(_RESIDUE_\w+ = .*?\(.*?\()b\"\"", r'\1b"x"'),
    Mutant("left-over bytes of an envelope", r"if _n != _e", "if _n < _e"),
    Mutant("payload that is not there", r"if _n != _e", "if _n > _e"),
    Mutant("rules of a header", r"(if .*):(\n {8}raise _run_fault\(_b, 0)", r"if False:\2"),
    Mutant("fields of a header change places", r"(_bit_fields\(\(\d), (\d)", r"\1, \2 - 1"),
    Mutant("events as requests", r"else _EVENTS\b", "else _REQUESTS"),
    Mutant("errors as responses", r"else _ERRORS\b", "else _RESPONSES"),
    Mutant("adjusted as an error", r"if status == 0 or .* else _ERR", "if status == 0 else _ERR"),
    Mutant("offset of an error in a payload", r"(_entry\[1\]\(_b, )16", r"\g<1>15"),
    Mutant("a whole event of any first byte", r"_w_ver_flags != 16 or txn", "txn"),
    Mutant("a whole request", r" or txn or length", " or length"),
    Mutant("a whole event of any length", r" or length != _n - \d+", ""),
    Mutant("data of a whole event to the end", r" : _n - 4\]", " : ]"),
    Mutant("a whole event without data", r"( {4}if _n < )(\d+)( or _n > \d+:\n {8}return)", _more(2, -1)),
    # ── Encoders ──
    Mutant("shift of a bit field, written", r"(_v\.\w+ << )(\d+)", _more(2)),
    Mutant("high part of a u24, written", r">> 16(?=[,)])", ">> 15"),
    Mutant("range, not asked", r"_v\.(\w+) < -?\d+ or _v\.\1 > -?\d+", "False"),
    Mutant("greatest number, not asked", r"_(?:v|row_\w+)\.\w+ > \d+(?= or|:)", "False"),
    Mutant("zero, not asked", r"(?<=if |or )not _(?:v|row_\w+)\.\w+(?= or|:)", "False"),
    Mutant("capacity, not asked", r"(?:not \d+ <= )?len\(_(?:v|row_\w+)\.\w+\) <?>?=? \d+(?= or|:)", "False"),
    Mutant("no extensions, written", r"if _v\.extensions or _v\.extensions != \(\)", "if False"),
    Mutant("CRC not over the last byte, written", r"\(_d, (_crc\w+\.)", r"(_d[:-1], \1"),
    Mutant("CRC not over the payload before raw data, written", r"\(_h \+ _p\)", "(_h)"),
    Mutant("length without raw data, written", r"len\(_p\) \+ len\(_d\)", "len(_p)"),
    # ── The run-time library ──
    Mutant("length of a TLV", r"stop = at \+ length", "stop = at + length + 1", True),
    Mutant("a TLV beyond the window", r"if stop > end:", "if stop > len(data):", True),
    Mutant("a TLV header of three bytes", r"end - at >= 4", "end - at >= 3", True),
    Mutant("a TLV header in the other order", r'Packer\("<HH"\)', 'Packer(">HH")', True),
    Mutant("number of a TLV", r"\[\{len\(found\)\}\]", "[{len(found) + 1}]", True),
    Mutant("an unknown TLV lost", r"found\.append\(Tlv\(tag, bytes\(data\[at:stop\]\)\)\)", "pass", True),
    Mutant("length of a TLV, written", r"_pack_tlv\(tag, len\((\w+)\)\)", r"_pack_tlv(tag, len(\1) & 3)", True),
    Mutant("the short cut within any bounds", r"if bounds and not bounds.*:", "if False:", True),
    Mutant("the short cut to another value", r"ready\.get\(value\)", "ready.get(value ^ 1)", True),
    Mutant("the short cut to the next but one", r"stop = at \+ size", "stop = at + size + 1", True),
    Mutant("the short cut beyond the window", r"(stop = at \+ size\n +)if stop > end:", r"\1if False:", True),
    Mutant("the short cut within any bounds, written", r"if bounds is None or .*:", "if True:", True),
    Mutant(
        "place of a TLV's value",
        r"raise short\(f\"\{name\}\[\{len\(found\)\}\]\", at, end, length\)",
        'raise short(f"{name}[{len(found)}]", at - 4, end, length)',
        True,
    ),
    Mutant("first field that is not there", r"here \+ item\.size > end", "here + item.size >= end", True),
    Mutant("order of a diagnosis", r"for item in run:\n        here", "for item in reversed(run):\n        here", True),
    Mutant("a constant called a range", r"Fault\.CONST", "Fault.RANGE", True),
    Mutant("a capacity called a range", r"Fault\.CAP", "Fault.RANGE", True),
    Mutant("a diagnosis without sign", r"signed=item\.signed", "signed=False", True),
    Mutant("a diagnosis without shift", r"value >> item\.shift", "value", True),
    Mutant(
        "what is left over called short", r"return long\(end \+ size, n\)", 'return short("crc", end, n, size)', True
    ),
    Mutant("what is missing of a payload called CRC", r'short\("payload"', 'short("crc"', True),
    Mutant(
        "number of a row that is cut off", r"found\.under\(f\"\{name\}\[\{i\}", 'found.under(f"{name}[{i + 1}', True
    ),
    Mutant("a path without its list", r'raise error\.under\(f"\{name\}\[\{len\(out\)\}\]"\)', "raise error", True),
)
