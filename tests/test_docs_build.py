"""The document as it is read: Sphinx builds it without a warning, every link leads somewhere, nothing is fetched.

Everything looks at one build, in one test: to build is what takes its time.

Plan: the build · links · what would be fetched.
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("sphinx", "furo", "myst_parser", "sphinx_needs", "sphinx_copybutton")
MISSING = [name for name in NEEDED if find_spec(name) is None]

# ── The build ────────────────────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what a browser fetches to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found["id"]} if "id" in found else set()
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("script", "img", "iframe", "source", "video") and "src" in found:
            self.fetched.append(found["src"])
        if (
            tag == "link"
            and "href" in found
            and found.get("rel") not in ("next", "prev", "index", "search", "canonical")
        ):
            self.fetched.append(found["href"])


def test_pages_tell_what_is_in_them() -> None:
    page = Page('<a href="x#y" id="z">.</a><script src="https://a/b.js"></script><link rel="stylesheet" href="c.css">')
    assert (page.anchors, page.links, page.fetched) == ({"z"}, ["x#y"], ["https://a/b.js", "c.css"])


@pytest.mark.skipif(bool(MISSING), reason=f"the document needs {', '.join(MISSING)}")
def test_the_document_builds_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py"), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    html = tmp_path / "html"
    pages = {path.relative_to(html).as_posix(): Page(path.read_text()) for path in html.rglob("*.html")}
    assert len(pages) > 150
    assert sorted(lost(pages, html)) == []
    assert sorted(foreign(pages)) == []
    assert [p.name for p in html.rglob("*.css") if re.search(r"url\(['\"]?(?:https?:)?//", p.read_text())] == []


# ── Links ────────────────────────────────────────────────────────────────────────────────────────────


def lost(pages: dict[str, Page], html: Path) -> set[str]:
    """The links within the document that lead nowhere."""
    out = set()
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            place = (html / name).parent / unquote(parts.path) if parts.path else html / name
            target = place.resolve().relative_to(html.resolve()).as_posix()
            known = pages[target].anchors if target in pages else set()
            if not place.exists() or (parts.fragment and target in pages and unquote(parts.fragment) not in known):
                out.add(f"{name}: {link}")
    return out


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    texts = {
        "a.html": '<p id="here"><a href="b.html#there"><a href="#gone"><a href="c.html"><a href="https://x/">',
        "b.html": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    pages = {name: Page(text) for name, text in texts.items()}
    assert lost(pages, tmp_path) == {"a.html: b.html#there", "a.html: #gone", "a.html: c.html"}


# ── What would be fetched ────────────────────────────────────────────────────────────────────────────


def foreign(pages: dict[str, Page]) -> set[str]:
    """What a browser would fetch from elsewhere to show a page."""
    parts = ((name, found, urlsplit(found)) for name, page in pages.items() for found in page.fetched)
    return {f"{name}: {found}" for name, found, p in parts if p.netloc or p.scheme not in ("", "data")}


def test_what_would_be_fetched_from_elsewhere_is_found() -> None:
    fonts = '<link rel="stylesheet" href="//fonts/x.css"><script src="https://cdn/x.js"></script>'
    near = '<img src="x.png"><img src="data:image/png;base64,"><a href="https://x/">'
    pages = {"a.html": Page(fonts + near)}
    assert foreign(pages) == {"a.html: //fonts/x.css", "a.html: https://cdn/x.js"}
