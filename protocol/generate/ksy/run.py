"""Runs the real kaitai-struct-compiler on what `ksy` makes, and says what becomes of every vector.

    npm install --prefix out/kaitai kaitai-struct-compiler@0.11.0 js-yaml@5.5.0
    python -m opalink.protocol.generate.ksy.run docs/kaitai.md

The page that this writes lists, by kind of check, the negative vectors that Kaitai Struct refuses and those that it
accepts: what cannot be said in its language. NODE_PATH names another place of the two packages.

Plan: compiling · reading · what becomes of the vectors · the page.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from opalink.protocol.errors import Fault
from opalink.protocol.generate.ksy import FILE, identifier, text
from opalink.protocol.generate.vectors import Vector, vectors
from opalink.protocol.ir import model as ir
from opalink.spec.form import Record

PACKAGES: Final = ("kaitai-struct-compiler", "js-yaml")
_RUNTIME: Final = "kaitaistruct"  # which compiled Python imports; it has no types
PLACE: Final = Path("out/kaitai/node_modules")
_COMPILE: Final = """
const [load, compiler] = [require('js-yaml').load, require('kaitai-struct-compiler')];
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8')), made = [];
texts.reduce((done, text) => done.then(() => compiler.compile(process.argv[1], load(text), null, false)).then(
  files => made.push(Object.values(files).join('\\n'))), Promise.resolve()).then(
  () => process.stdout.write(JSON.stringify(made)),
  error => { console.error(String(error.message || error)); process.exit(1); });
"""

# ── Compiling ────────────────────────────────────────────────────────────────────────────────────────


class KaitaiError(RuntimeError):
    """The compiler did not do its work: a fault of the back end or of the machine."""


def missing() -> list[str]:
    """What is not installed of that which compiling and running need."""
    if shutil.which("node") is None:
        return ["node"]
    lost = [p for p in PACKAGES if _node(f"require.resolve('{p}')", check=False).returncode]
    return lost if find_spec(_RUNTIME) else [*lost, _RUNTIME]


def compiled(*texts: str, language: str = "python") -> list[str]:
    """The source of each. Raises KaitaiError with what the compiler says, where it refuses one."""
    done = _node(_COMPILE, language, given=json.dumps(texts))
    found: list[str] = json.loads(done.stdout)
    return found


def _node(script: str, *args: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    places = [os.environ.get("NODE_PATH", ""), str(PLACE.absolute())]
    environment = os.environ | {"NODE_PATH": os.pathsep.join(filter(None, places))}
    command = ["node", "-e", script, *args]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    if check and done.returncode:
        raise KaitaiError(f"The compiler refuses: {done.stderr.strip()[-2000:]}")
    return done


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────


class Reading:
    """What the compiled Python makes of bytes, in the form of our plain values."""

    def __init__(self, catalogue: ir.Catalogue, source: str) -> None:
        module = ModuleType("opal")
        exec(compile(source, FILE, "exec"), module.__dict__)  # noqa: S102 (compiled from our own text)
        self.catalogue, self._root = catalogue, module.__dict__["Opal"]

    def packet(self, data: bytes) -> dict[str, Any]:
        """The header's fields and the body. Raises an exception of Kaitai's for what it refuses."""
        found = self._read(self._root, data).packet
        value = self._plain(self.catalogue.envelope["PACKET"].header, found)
        del value["length"]
        payload = found.payload
        body = payload if isinstance(payload, bytes) else payload.body
        return value | {"body": body if isinstance(body, bytes) else self._plain(self._layout(body).parts, body)}

    def layout(self, name: str, data: bytes) -> Any:
        """A body by the name of its layout."""
        return self._plain(self.catalogue.layout[name].parts, self._read(self._class(name), data))

    def envelope(self, name: str, data: bytes) -> tuple[dict[str, Any], bytes, int]:
        """The header's fields, the payload, and how many bytes of the data are behind."""
        found = self._read(self._class(name), data)
        value = self._plain(self.catalogue.envelope[name].header, found)
        value.pop("length", None)
        return value, found.payload, len(data) - found._io.pos()  # noqa: SLF001 (Kaitai's way to ask)

    def _class(self, name: str) -> Any:
        return getattr(self._root, "".join(word.capitalize() for word in identifier(name).split("_")))

    def _read(self, of: Any, data: bytes) -> Any:
        return of(import_module(_RUNTIME).KaitaiStream(BytesIO(data)))

    def _layout(self, value: Any) -> ir.Layout:
        named = {self._class(x.name): x for x in self.catalogue.layouts}
        return named[type(value)]

    def _plain(self, parts: tuple[ir.Part, ...], value: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for f in ir.fields_of(parts):
            found = getattr(value, identifier(f.name))
            match f:
                case ir.Number(const=None):
                    out[f.name] = int(found)
                case ir.Octets() | ir.Blob() | ir.Raw():
                    out[f.name] = found
                case ir.Rows():
                    out[f.name] = [self._plain(self.catalogue.layout[f.row].parts, x) for x in found]
                case ir.Tlvs():
                    out[f.name] = [(int(x.tag), self._tlv(self.catalogue.space[f.space], x)) for x in found]
        return out

    def _tlv(self, space: ir.Space, tlv: Any) -> Any:
        known = next((t for t in space.types if t.tag == int(tlv.tag)), None)
        if known is None:
            return tlv.value
        layout = self.catalogue.layout[known.layout]
        plain = self._plain(layout.parts, tlv.value)
        number = ir.lone_number(layout)
        return plain if number is None else plain.get(number.name, number.const)


def reading(catalogue: ir.Catalogue) -> Reading:
    """The catalogue through the real compiler."""
    return Reading(catalogue, *compiled(text(catalogue)))


def refusals() -> tuple[type[Exception], ...]:
    """What Kaitai raises for bytes that are not what they should be."""
    return EOFError, import_module(_RUNTIME).KaitaiStructError


# ── What becomes of the vectors ──────────────────────────────────────────────────────────────────────

OPERATORS: Final = {
    "cut": "a field is not whole",
    "cut_data": "counted bytes are not whole",
    "missing": "a row is not there",
    "overrun": "a TLV is longer than what is left",
    "excess": "a byte too many in a TLV",
    "not_const": "another value than the only legal one",
    "below": "a number below its range",
    "above": "a number above its range",
    "under": "a list or counted bytes too short",
    "over": "a list or counted bytes too long",
}


class Tally(Record, frozen=True):
    """The negative vectors of one kind of check."""

    fault: Fault
    check: str
    refused: int
    accepted: tuple[str, ...]

    @property
    def outcome(self) -> str:
        if not self.accepted:
            return "refuses"
        return f"accepts {len(self.accepted)} of {self.refused + len(self.accepted)}" if self.refused else "**accepts**"


def tallies(catalogue: ir.Catalogue, reads: Reading) -> list[Tally]:
    """Every negative vector, by the class of the error and by what was done to the packet."""
    refused: Counter[tuple[Fault, str]] = Counter()
    accepted: dict[tuple[Fault, str], list[str]] = {}
    for v in negative(catalogue):
        assert v.error is not None
        key = v.error.fault, OPERATORS.get(v.name.rpartition(".")[2]) or f"`{v.name}`"
        try:
            reads.packet(bytes.fromhex(v.hex))
        except refusals():
            refused[key] += 1
        else:
            accepted.setdefault(key, []).append(v.name)
    keys = sorted({*refused, *accepted}, key=lambda key: (list(Fault).index(key[0]), key[1]))
    return [Tally(*key, refused[key], tuple(accepted.get(key, ()))) for key in keys]


def negative(catalogue: ir.Catalogue) -> Iterator[Vector]:
    return (v for group in catalogue.groups for v in vectors(catalogue, group.name) if v.error is not None)


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────

_HEAD: Final = f"""\
# OPAL in Kaitai Struct

`opalink generate ksy OUT` writes `{FILE}`, of which kaitai-struct-compiler 0.11 makes a reader in any of its languages.
Its root is one packet. A FLIT, a sideband record, a bench record and every body are types of it, to be read by name.
A number of an unknown member, TLVs of unknown tags and packets of unknown types are kept, as OPAL wants it.

## What it refuses

Every negative vector, through the compiled Python. What is accepted is what the language has no words for.

| class | what is wrong | Kaitai Struct |
|---|---|---|
"""
_TAIL: Final = """
## What it does not do

- It computes no CRC: a damaged packet is read as if it were whole. Check the CRC before.
- It writes nothing.
- An error says where the reader stood and which constraint failed, not OPAL's class of the error and path of the field.
- The payload of a FLIT is bytes: putting packets together again is work for a program. So is that of a sideband record
  and of a bench record, of which other fields, or the sender, say what it is.
- Units and scales are told (`-unit`, `-scale`) and never applied. Text is bytes: OPAL does not ask that it be UTF-8.
- An integer of 24 bits is read as a word of bits.
"""


def page(tally: Iterable[Tally]) -> str:
    """The page as Markdown."""
    rows = [f"| {t.fault} | {t.check} | {t.outcome} |" for t in tally]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


if __name__ == "__main__":
    from opalink.protocol.ir.load import catalogue as declared

    if lost := missing():
        sys.exit(f"Not installed: {', '.join(lost)}.")
    Path(sys.argv[1]).write_text(page(tallies(declared(), reading(declared()))), encoding="utf-8")
