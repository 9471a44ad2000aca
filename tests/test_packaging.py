"""What is installed is what is in the checkout.

Plan: the packages and their folders · source archive and wheel · entry points · pinned versions.

The import package is put together from folders by a list in pyproject.toml (the reasons stand there). A folder
that the list forgets works in the checkout and is missing for every user, and nothing but these tests says so.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib import import_module, metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import opalink

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
COMPILED = (".so", ".pyd")
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]


def sources() -> Iterator[tuple[Path, str]]:
    """Every file of the packages, with the place in the wheel where it belongs. Links are not followed, and what was
    compiled is no source."""
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in COMPILED:
                yield path, f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}"


# ── The packages and their folders ───────────────────────────────────────────────────────────────────


def test_the_tests_see_this_checkout() -> None:
    """An installed wheel, or another checkout, would make every other test a test of something else."""
    for package, folder in FOLDERS.items():
        module = import_module(package)
        assert Path(str(module.__file__)).resolve() == ROOT / folder / "__init__.py"


def test_every_folder_with_python_is_a_listed_package() -> None:
    found = {place.rpartition("/")[0].replace("/", ".") for path, place in sources() if path.suffix == ".py"}
    assert sorted(found) == sorted(SETUPTOOLS["packages"])


def test_every_package_has_its_init() -> None:
    """A folder without one is a namespace that others may add to, and that pytest and mypy name differently."""
    places = {place for _, place in sources()}
    assert [p for p in SETUPTOOLS["packages"] if f"{p.replace('.', '/')}/__init__.py" not in places] == []


def test_the_links_lead_to_the_folders() -> None:
    """A clone made without symbolic links has small text files here, and static tools would see two files."""
    links = {path.name: path.readlink().as_posix() for path in (ROOT / "opalink").iterdir() if path.is_symlink()}
    assert links == {folder: f"../{folder}" for package, folder in FOLDERS.items() if package != "opalink"}


# ── Source archive and wheel ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel built from the source archive of a copy: what an earlier build left behind stays out of it."""
    folder = tmp_path_factory.mktemp("packaging")
    copy = folder / "checkout"
    copy.mkdir()
    for name in FOLDERS.values():
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for path in [ROOT / "pyproject.toml", ROOT / PROJECT["readme"], *ROOT.glob("LICENSE*")]:
        shutil.copy(path, copy)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(copy)]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (folder / "dist").glob("*.whl")
    with ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_what_the_checkout_holds(wheel: ZipFile) -> None:
    names = [n for n in wheel.namelist() if ".dist-info/" not in n and Path(n).suffix not in COMPILED]
    in_wheel = {name: wheel.read(name) for name in names}
    in_checkout = {place: path.read_bytes() for path, place in sources()}
    assert sorted(in_wheel) == sorted(in_checkout)
    assert [name for name, content in in_wheel.items() if content != in_checkout[name]] == []


def test_the_wheel_says_its_version_and_its_licence(wheel: ZipFile) -> None:
    (info,) = (name.removesuffix("/METADATA") for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    about = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert (about["Version"], about["License-Expression"]) == (opalink.__version__, PROJECT["license"])
    texts = {path.name: path.read_bytes() for path in ROOT.glob("LICENSE*")}
    assert sorted(texts) == ["LICENSE", "LICENSE-APACHE", "LICENSE-CC-BY-4.0", "LICENSE-GPL-2.0", "LICENSE-MIT"]
    assert {name: wheel.read(f"{info}/licenses/{name}") for name in about.get_all("License-File", [])} == texts


# ── Entry points ─────────────────────────────────────────────────────────────────────────────────────


def test_every_entry_point_leads_somewhere() -> None:
    groups = {"scripts": PROJECT["scripts"], **PROJECT.get("entry-points", {})}
    for target in (target for group in groups.values() for target in group.values()):
        module, _, name = target.partition(":")
        found = import_module(module)
        assert not name or callable(getattr(found, name)), target


# ── Pinned versions ──────────────────────────────────────────────────────────────────────────────────


def pins() -> dict[str, str]:
    """The versions of constraints.txt. A line that is neither a pin nor a comment, such as an address, fails."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pinned if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!]+", line)] == []
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in pinned)}


def required() -> list[Requirement]:
    """What a development environment is asked to hold, and what that asks for in turn."""
    extras = PROJECT["optional-dependencies"].values()
    texts = [*PYPROJECT["build-system"]["requires"], *PROJECT["dependencies"], *(text for e in extras for text in e)]
    seen = set(texts)
    needed = []
    while texts:
        requirement = Requirement(texts.pop())
        if requirement.name == "opalink":
            continue
        needed.append(requirement)
        for text in metadata.requires(requirement.name) or []:
            marker = Requirement(text).marker
            applies = marker is None or any(marker.evaluate({"extra": e}) for e in requirement.extras or {""})
            if applies and text not in seen:
                seen.add(text)
                texts.append(text)
    return needed


def test_every_requirement_is_pinned_and_nothing_else_is() -> None:
    assert sorted(pins()) == sorted({canonicalize_name(r.name) for r in required()})


def test_the_pins_satisfy_the_requirements() -> None:
    pinned = pins()
    assert [str(r) for r in required() if not r.specifier.contains(pinned[canonicalize_name(r.name)])] == []
