"""Builds the document: `make docs`, or `python docs/build.py [OUT]`; OUT is out/docs unless given.

Sphinx reads OUT/source, where the hand-written pages of this folder come together with those that the catalogue gives;
nothing is written into the checkout. In the hand-written pages the names of messages, statuses, timers, limits and
requirements become links by themselves.

Plan: the source · the build.
"""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from opalink.protocol.generate.docs import files as reference
from opalink.protocol.generate.docs.words import prose
from opalink.protocol.ir.load import catalogue

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# ── The source ───────────────────────────────────────────────────────────────────────────────────────


def source() -> dict[str, bytes]:
    """Every page of the document, by its place."""
    import trace_pages

    found = catalogue()
    pages = {p.name: prose(found, p.read_text()).encode() for p in sorted(HERE.glob("*.md"))}
    made = {**reference(found), **trace_pages.files(found)}
    return pages | {f"reference/{name}": data for name, data in made.items()}


def assemble(folder: Path) -> None:
    """Bring the folder up to date: pages that have not changed are left alone, so that Sphinx leaves them alone too."""
    wanted = {folder / name: data for name, data in source().items()}
    static = [*(HERE / "_static").iterdir(), HERE / "_generated" / "protocol.svg"]
    wanted |= {folder / "_static" / p.name: p.read_bytes() for p in static if p.is_file()}
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        if path.is_file() and path not in wanted:
            path.unlink()
    for path, data in wanted.items():
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


# ── The build ────────────────────────────────────────────────────────────────────────────────────────


def build(out: Path, *more: str) -> int:
    """Build the document into OUT/html; every warning is an error, and so is every name that leads nowhere."""
    assemble(out / "source")
    given = ["-n", "-W", "--keep-going", "-q", "-j", "auto", "-c", str(HERE), "-d", str(out / "doctrees"), *more]
    return build_main([*given, str(out / "source"), str(out / "html")])


if __name__ == "__main__":
    if "--clean" in sys.argv:
        sys.argv.remove("--clean")
        shutil.rmtree(HERE.parent / "out" / "docs", ignore_errors=True)
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "out" / "docs"))
