"""PICS: what a vendor declares of an implementation, what the implementation advertises, and what was seen of it.

A TOML file. [features] is the declaration, a boolean each; [advertised] and [observed] are written by `opalink probe`
and never by hand. Declared × advertised × observed has eight rows, of which two are right.

Plan: the file · reading and writing · static review · contradictions · probing.
"""

from pathlib import Path
from typing import Any, ClassVar

import tomlkit
from msgspec import Struct
from tomlkit.exceptions import TOMLKitError

from opalink.conformance.papers.documents import DocumentError, text_of
from opalink.conformance.verdicts import Exit
from opalink.protocol.ir import model as ir

# ── The file ─────────────────────────────────────────────────────────────────────────────────────────

FORMAT = 1


class Product(Struct, frozen=True):
    """Which product it is."""

    name: str = ""
    version: str = ""
    digest: str = ""  # SHA-256 of the image, hexadecimal


class Pics(Struct, frozen=True):
    """A protocol implementation conformance statement."""

    product: Product
    version: str  # of the specification
    catalogue: str  # its fingerprint
    role: str
    profile: str
    features: dict[str, bool]
    advertised: dict[str, bool] = {}
    observed: dict[str, bool] = {}

    @property
    def declared(self) -> frozenset[str]:
        return frozenset(name for name, has in self.features.items() if has)


class PicsError(DocumentError):
    """A PICS that cannot be used."""

    usual: ClassVar[Exit] = Exit.PICS


# ── Reading and writing ──────────────────────────────────────────────────────────────────────────────

_SECTIONS = {
    "product": ("name", "version", "digest"),
    "specification": ("version", "catalogue"),
    "implementation": ("role", "profile"),
}
_FLAGS = ("features", "advertised", "observed")


def write(pics: Pics) -> str:
    """The TOML text of a PICS."""
    document = tomlkit.document()
    document.add(tomlkit.comment("What this implementation is declared to be; see `opalink probe --help`."))
    document.add("pics", FORMAT)
    for section, values in (
        ("product", (pics.product.name, pics.product.version, pics.product.digest)),
        ("specification", (pics.version, pics.catalogue)),
        ("implementation", (pics.role, pics.profile)),
    ):
        table = tomlkit.table()
        for key, value in zip(_SECTIONS[section], values, strict=True):
            table.add(key, value)
        document.add(section, table)
    for section in _FLAGS:
        flags: dict[str, bool] = getattr(pics, section)
        table = tomlkit.table()
        for name, has in flags.items():
            table.add(name, has)
        if flags or section == "features":
            document.add(section, table)
    return tomlkit.dumps(document)


def load(path: Path, catalogue: ir.Catalogue) -> Pics:
    """Read a PICS from a file. Raises PicsError, with exit code 5 where there is no file or nothing in it."""
    return read(text_of(path, "PICS", PicsError), catalogue)


def read(text: str, catalogue: ir.Catalogue) -> Pics:
    """A PICS from its TOML text. Raises PicsError."""
    try:
        document: dict[str, Any] = tomlkit.parse(text).unwrap()
    except (TOMLKitError, RecursionError, ValueError) as error:
        raise PicsError(f"The PICS is no TOML: {error}.") from None
    if document.get("pics") != FORMAT:
        raise PicsError(f"The PICS does not begin with `pics = {FORMAT}`.")
    for key in document:
        if key != "pics" and key not in _SECTIONS and key not in _FLAGS:
            raise PicsError(f"The PICS has an unknown section [{key}].")
    values = {name: _strings(document, name) for name in _SECTIONS}
    known = {m.name for m in catalogue.flag_set["Feature"].members}
    flags = {name: _booleans(document, name, known) for name in _FLAGS}
    if not flags["features"]:
        raise PicsError("The PICS declares no [features]: one that declares nothing tests nothing.")
    return Pics(
        Product(**values["product"]), **values["specification"], **values["implementation"], **flags  # type: ignore[arg-type]
    )  # fmt: skip


def _strings(document: dict[str, Any], section: str) -> dict[str, str]:
    table = document.get(section)
    if not isinstance(table, dict):
        raise PicsError(f"The PICS lacks the section [{section}].")
    for key, value in table.items():
        if key not in _SECTIONS[section]:
            raise PicsError(f"The PICS has an unknown key {key!r} in [{section}].")
        if not isinstance(value, str):
            raise PicsError(f"The PICS gives {key!r} in [{section}] a value that is no text.")
    for key in _SECTIONS[section]:
        if key not in table:
            raise PicsError(f"The PICS lacks {key!r} in [{section}].")
    return table


def _booleans(document: dict[str, Any], section: str, known: set[str]) -> dict[str, bool]:
    table = document.get(section, {})
    if not isinstance(table, dict):
        raise PicsError(f"The PICS gives [{section}] as a value, not as a section.")
    for name, value in table.items():
        if name not in known:
            raise PicsError(f"The PICS names an unknown feature {name!r} in [{section}].")
        if not isinstance(value, bool):
            raise PicsError(f"The PICS gives {name} in [{section}] a value that is neither true nor false.")
    return table


# ── Static review ────────────────────────────────────────────────────────────────────────────────────


def review(pics: Pics, catalogue: ir.Catalogue) -> list[str]:
    """What is illegal about a declaration, a sentence each; needs no device."""
    problems = []
    if pics.role not in ("module", "phone"):
        problems.append(f"It is of the role {pics.role!r}; this suite certifies modules and phones.")
    if pics.version != catalogue.version:
        problems.append(f"It is about version {pics.version!r} of the specification, not {catalogue.version}.")
    if pics.profile:
        profile = catalogue.profile.get(pics.profile)
        if profile is None:
            known = ", ".join(catalogue.profile)
            return [*problems, f"It names the unknown profile {pics.profile!r}; known are {known}."]
        problems += [
            f"The profile {profile.name} requires {name}, which is not declared."
            for name in profile.requires
            if name not in pics.declared
        ]
        problems += [
            f"The profile {profile.name} does not allow {name}, which is declared."
            for name in sorted(pics.declared)
            if name not in profile.requires and name not in profile.allows
        ]
    return problems


# ── Contradictions ───────────────────────────────────────────────────────────────────────────────────

_ROWS = {
    (True, True, False): "{} is declared and advertised, and does not work",
    (True, False, True): "{} is declared and works, and is not advertised",
    (True, False, False): "{} is declared, and is not there",
    (False, True, True): "{} is advertised and works, and is not declared",
    (False, True, False): "{} is advertised, and neither declared nor there",
    (False, False, True): "{} works, and is neither declared nor advertised",
}


def contradictions(features: dict[str, bool], advertised: dict[str, bool], observed: dict[str, bool]) -> list[str]:
    """What does not agree, a sentence each. A feature that could not be observed counts as what is advertised."""
    found = []
    for name, has in advertised.items():
        row = features.get(name, False), has, observed.get(name, has)
        if row in _ROWS:
            found.append(_ROWS[row].format(name) + ".")
    return found
