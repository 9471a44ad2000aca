"""The case: what a fuzzer does to an implementation, as typed steps, and its text.

    opalink-case 1
    seed 7
    reach STREAMING
    send PROP_SET request lane=sideband {"settings":[[4096,1]]}
    again 1
    delay 20000000
    raw laser 1002aabb

A case begins at a cold start and says everything that the tester does of its own accord; what a phone owes a module in
passing (its supply, its time) the tester's phone does by itself. Of a packet it holds the fields. Its length and its
CRC follow from them unless they are given, and so does its transaction number: the next one. "$session",
"$phone_nonce" and "$module_nonce" stand for what the last greeting brought. The text is the reproducer: one case has
one text, and reading it gives the same case.

Plan: the case · writing · reading. The steps are in `steps`, their bytes in `packets`.
"""

import hashlib
import json
import re
from typing import Any, Final

from msgspec import Struct

from opalink.fuzz.packets import packet_bytes
from opalink.fuzz.steps import (
    HEADER,
    LANES,
    LONGEST,
    OPERATIONS,
    PLACES,
    RESOURCES,
    STEPS,
    Again,
    CaseError,
    Delay,
    Operate,
    Raw,
    Reach,
    Send,
    Step,
)
from opalink.protocol.ir.write import Lie, Plain
from opalink.spec.form import Form

VERSION: Final = 1
TEXT: Final = 4 << 20  # characters of one case

# ── The case ─────────────────────────────────────────────────────────────────────────────────────────


class Case(Struct, frozen=True):
    """A seed, from which all that is drawn follows (nonces, the first transaction number), and the steps."""

    steps: tuple[Step, ...] = ()
    seed: int = 1

    @property
    def messages(self) -> int:
        """How many of the steps put bytes on a lane; what a preamble sends is not counted."""
        return sum(isinstance(s, Send | Raw | Again) for s in self.steps)

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(text(self).encode()).hexdigest()


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────


def text(case: Case) -> str:
    """The canonical text of a case."""
    return "\n".join([f"opalink-case {VERSION}", f"seed {case.seed}", *map(line, case.steps)]) + "\n"


def line(step: Step) -> str:
    """The text of one step."""
    match step:
        case Reach(state):
            return f"reach {state}"
        case Raw(lane, data):
            return f"raw {lane} {data.hex() or '-'}"
        case Again(back):
            return f"again {back}"
        case Delay(time):
            return f"delay {time}"
        case Operate(operation, value):
            return f"{operation} {value}".strip()
        case Send():
            words = [f"send {step.packet} {step.form}"]
            words += [f"lane={step.lane}"] if step.lane else []
            words += [f"{name}={value}" for name, value in sorted(step.header)]
            words += [f"{name}={v}" for name in ("flip", "split") if (v := getattr(step, name)) >= 0]
            if step.payload is not None:
                words.append(f"payload={step.payload.hex() or '-'}")
            elif step.value:
                words.append(json.dumps(_as_json(step.value), separators=(",", ":"), sort_keys=True))
            return " ".join(words)
    raise TypeError(step)


def _as_json(value: Any) -> Any:
    match value:
        case bytes():
            return {"$hex": value.hex()}
        case Lie(count, content):
            return {"$count": count, "$of": _as_json(content)}
        case dict():
            return {name: _as_json(v) for name, v in value.items()}
        case list() | tuple():
            return [_as_json(v) for v in value]
        case str():
            return value
    return int(value)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────

_SIGNED: Final = re.compile(r"-?[0-9]{1,20}")
_HEX: Final = re.compile(r"([0-9a-f]{2})*|-")


def parse(source: str) -> Case:
    """The case of a text; `#` begins a comment. Raises CaseError."""
    if len(source) > TEXT:
        raise CaseError(f"A case has at most {TEXT} characters.")
    lines = [(n, words) for n, row in enumerate(source.splitlines(), 1) if (words := _without_comment(row))]
    if not lines or lines[0][1] != f"opalink-case {VERSION}":
        raise CaseError(f"A case begins with the line `opalink-case {VERSION}`.")
    if len(lines) > STEPS + 2:
        raise CaseError(f"A case has at most {STEPS} steps.")
    seed = 1
    steps: list[Step] = []
    for n, words in lines[1:]:
        try:
            if words.startswith("seed ") and not steps:
                seed = _number(words[5:], 0, (1 << 64) - 1)
            else:
                steps.append(_step(words))
        except (CaseError, RecursionError) as error:
            why = str(error) if isinstance(error, CaseError) else "it is nested too deeply."
            raise CaseError(f"Line {n}: {why}") from None
    return Case(tuple(steps), seed)


def _without_comment(row: str) -> str:
    return "" if row.lstrip().startswith("#") else row.strip()


def _number(word: str, lo: int, hi: int) -> int:
    if not _SIGNED.fullmatch(word) or not lo <= (found := int(word)) <= hi:
        raise CaseError(f"{word[:40]!r} is no number from {lo} to {hi}.")
    return found


def _bytes(word: str) -> bytes:
    if not _HEX.fullmatch(word):
        raise CaseError(f"{word[:40]!r} is not hexadecimal: two digits a byte, or - for none.")
    return b"" if word == "-" else bytes.fromhex(word)


def _one_of(word: str, known: Any, what: str) -> str:
    if word not in known:
        raise CaseError(f"{word[:40]!r} is no {what}; known are {', '.join(k or 'nothing' for k in known)}.")
    return word


def _step(words: str) -> Step:
    verb, _, rest = words.partition(" ")
    match verb:
        case "reach":
            return Reach(_one_of(rest, PLACES, "state that a preamble reaches"))
        case "raw":
            lane, _, data = rest.partition(" ")
            return Raw(_one_of(lane, LANES, "lane"), _bytes(data))
        case "again":
            return Again(_number(rest, 1, STEPS))
        case "delay":
            return Delay(_number(rest, 0, LONGEST))
        case "send":
            return _send(rest)
        case _ if verb in OPERATIONS:
            return Operate(verb, _one_of(rest, OPERATIONS[verb], f"value of {verb}"))
    raise CaseError(f"{verb[:40]!r} is no step; known are reach, send, raw, again, delay, {', '.join(OPERATIONS)}.")


def _send(rest: str) -> Send:
    head, brace, tail = rest.partition("{")
    words = head.split()
    if len(words) < 2:
        raise CaseError("A packet is sent with its type and form, as in `send STATE_GET request`.")
    name, form = words[0], words[1]
    header: dict[str, int] = {}
    given: dict[str, Any] = {}
    for word in words[2:]:
        key, _, value = word.partition("=")
        if key in header or key in given:
            raise CaseError(f"{key} is given twice.")
        match key:
            case "lane":
                given[key] = _one_of(value, LANES, "lane")
            case "payload":
                given[key] = _bytes(value)
            case "flip" | "split":
                given[key] = _number(value, 0, 1 << 20)
            case _:
                header[_one_of(key, HEADER, "word of a packet")] = _number(value, 0, (1 << 64) - 1)
    if brace:
        if "payload" in given:
            raise CaseError("A packet has fields or a payload, not both.")
        given["value"] = _fields(brace + tail)
    made = Send(name, Form(_one_of(form, list(Form), "form")), header=tuple(sorted(header.items())), **given)
    _check(made)
    return made


def _fields(source: str) -> Plain:
    try:
        found: Plain = _from_json(json.loads(source))
    except ValueError as error:
        if isinstance(error, CaseError):
            raise
        raise CaseError(f"The fields are no JSON: {str(error)[:80]}.") from None
    return found


def _from_json(value: Any) -> Any:
    match value:
        case {"$hex": str(data), **rest} if not rest:
            return _bytes(data)
        case {"$count": int(count), "$of": content, **rest} if not rest:
            return Lie(count, _from_json(content))
        case dict():
            return {name: _from_json(v) for name, v in value.items()}
        case list():
            return [_from_json(v) for v in value]
        case str():
            return _one_of(value, RESOURCES, "resource")
        case int() if not isinstance(value, bool):
            return value
    raise CaseError(f"{str(value)[:40]!r} is no value of a field.")


def _check(send: Send) -> None:
    """That bytes can be made of it."""
    try:
        packet_bytes(send, 1, 0, dict.fromkeys(RESOURCES, 0))
    except CaseError:
        raise
    except KeyError as error:
        raise CaseError(f"{send.packet} {send.form} knows no {str(error)[:60]}, or lacks it.") from None
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise CaseError(f"The fields do not suit {send.packet} {send.form}.") from None
