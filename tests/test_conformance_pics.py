"""PICS files: written, read back, refused in one sentence, reviewed, and compared with what was seen.

Plan: round trips · what is refused · review · the eight rows.
"""

import contextlib
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.conformance.papers.pics import Pics, PicsError, Product, contradictions, load, read, review, write
from opalink.conformance.verdicts import Exit
from opalink.protocol.ir.load import catalogue

FEATURES = [m.name for m in catalogue().flag_set["Feature"].members]


def made(profile: str = "", **features: bool) -> Pics:
    given_features = {name: features.get(name, False) for name in FEATURES}
    return Pics(
        Product("Camera", "1.0", ""), catalogue().version, catalogue().fingerprint, "module", profile, given_features
    )


def of_profile(name: str, *, without: str = "", beyond: str = "") -> Pics:
    has = {*catalogue().profile[name].requires, beyond} - {without, ""}
    return made(name, **dict.fromkeys(has, True))


# ── Round trips ──────────────────────────────────────────────────────────────────────────────────────


@given(
    st.dictionaries(st.sampled_from(FEATURES), st.booleans(), min_size=1),
    st.dictionaries(st.sampled_from(FEATURES), st.booleans()),
    st.text(max_size=20),
)
def test_what_is_written_is_read_back(features: dict[str, bool], observed: dict[str, bool], name: str) -> None:
    pics = Pics(Product(name, "2", "ab"), "1.0", "", "module", "four-thirds", features, features, observed)
    assert read(write(pics), catalogue()) == pics


def test_comments_may_stand_anywhere() -> None:
    text = write(made(LASER=True)).replace("[features]", "# ours\n[features] # of rev. B")
    assert read(text, catalogue()).declared == {"LASER"}


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────

GOOD = write(made(LASER=True))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin"),
        ("pics = 2\n", "does not begin"),
        ("pics = [", "is no TOML"),
        ("pics = 1\npics = 1\n", "is no TOML"),
        (GOOD + "\n[extras]\nx = 1\n", "unknown section [extras]"),
        (GOOD.replace("[product]", "[products]"), "unknown section [products]"),
        (GOOD.replace('name = "Camera"\n', ""), "lacks 'name'"),
        (GOOD.replace('name = "Camera"', "name = 3"), "no text"),
        (GOOD.replace('name = "Camera"', 'label = "Camera"'), "unknown key 'label'"),
        (GOOD.replace("LASER = true", "LASERS = true"), "unknown feature 'LASERS'"),
        (GOOD.replace("LASER = true", 'LASER = "yes"'), "neither true nor false"),
        (GOOD.partition("[features]")[0], "declares no [features]"),
        (GOOD.partition("[features]")[0] + "[features]\n", "declares no [features]"),
        ("pics = 1\nfeatures = 3\n", "lacks the section [product]"),
    ],
)
def test_what_is_no_pics_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(PicsError) as fault:
        read(text, catalogue())
    assert says in str(fault.value)
    assert fault.value.exit is Exit.PICS


@given(st.text(max_size=200))
def test_any_text_is_a_pics_or_is_refused(text: str) -> None:
    with contextlib.suppress(PicsError):
        read(text, catalogue())


def test_a_missing_file_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(PicsError) as fault:
        load(tmp_path / "none.toml", catalogue())
    assert fault.value.exit is Exit.NOTHING_RAN
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PicsError, match="UTF-8"):
        load(tmp_path / "binary.toml", catalogue())


# ── Review ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", catalogue().profile)
def test_what_a_profile_requires_is_a_legal_declaration(name: str) -> None:
    assert review(of_profile(name), catalogue()) == []


def test_review_names_what_is_missing_and_what_is_too_much() -> None:
    assert review(of_profile("macro-tube", without="STACK"), catalogue()) == [
        "The profile macro-tube requires STACK, which is not declared."
    ]
    assert review(of_profile("macro-tube", beyond="SENSOR"), catalogue()) == [
        "The profile macro-tube does not allow SENSOR, which is declared."
    ]
    (unknown,) = review(made("flying-saucer"), catalogue())
    assert "unknown profile 'flying-saucer'" in unknown


def test_review_is_about_this_specification_and_about_its_sides() -> None:
    pics = made(LASER=True)
    other = Pics(pics.product, "9.9", pics.catalogue, "charger", "", pics.features)
    assert len(review(other, catalogue())) == 2


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (write(of_profile("macro-tube")), Exit.CONFORMANT, "A legal module of the profile macro-tube"),
        (write(of_profile("macro-tube", without="STACK")), Exit.PICS, "requires STACK, which is not declared."),
        (
            write(of_profile("macro-tube")) + "\n[advertised]\nSTACK = true\n[observed]\nSTACK = false\n",
            Exit.PICS,
            "STACK is declared and advertised, and does not work.",
        ),
        ("pics = 1\n", Exit.PICS, "lacks the section [product]"),
        (" \n", Exit.NOTHING_RAN, "is empty."),
        (None, Exit.NOTHING_RAN, "cannot be read"),
    ],
)
def test_review_needs_no_device(text: str | None, code: Exit, says: str, tmp_path: Path) -> None:
    file = tmp_path / "pics.toml"
    if text is not None:
        file.write_text(text)
    result = CliRunner().invoke(cli, ["review", str(file)])
    assert (result.exit_code, says in result.output) == (code, True), result.output


# ── The eight rows ───────────────────────────────────────────────────────────────────────────────────


def test_declared_advertised_observed() -> None:
    agree = {(True, True, True), (False, False, False)}
    for declared, advertised, observed in product((True, False), repeat=3):
        found = contradictions({"OIS": declared}, {"OIS": advertised}, {"OIS": observed})
        assert (not found) is ((declared, advertised, observed) in agree), found
        assert all(f.startswith("OIS ") and f.endswith(".") for f in found)


def test_what_cannot_be_observed_is_taken_as_advertised() -> None:
    assert contradictions({"LENS": True}, {"LENS": True}, {}) == []
    assert contradictions({"LENS": True}, {"LENS": False}, {}) == ["LENS is declared, and is not there."]
