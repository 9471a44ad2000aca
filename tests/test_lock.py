"""Requirements keep their IDs for ever, and what is generated follows from something that is there.

Plan: the real lock · what changes do to a lock · obligations and their keys.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.diagnostics import SpecError
from opalink.protocol.ir.load import catalogue, lock_path
from opalink.protocol.ir.lock import FIRST_GENERATED, Entry, digest, locked, read, text_of
from opalink.protocol.ir.obligations import obligations
from opalink.spec.form import Form

LOCK = read(lock_path())
REAL = catalogue()
BY_HAND = tuple(r for r in REAL.requirements if not r.key)
DECLARED = structs.replace(REAL, requirements=BY_HAND)  # as the walker gives it

# ── The real lock ────────────────────────────────────────────────────────────────────────────────────


def history(entries: list[Entry]) -> dict[str, list[Entry]]:
    found = defaultdict(list)
    for e in entries:
        found[e.id].append(e)
    return found


def well_formed(entries: list[Entry]) -> None:
    """What must hold for any lock: revisions count up, an ID has one key and a key one ID."""
    keys: dict[str, str] = {}
    for id_, lines in history(entries).items():
        assert [e.rev for e in lines] == list(range(1, len(lines) + 1)), id_
        assert len({e.key for e in lines}) == 1, id_
        assert not any(a.retired and b.retired for a, b in pairwise(lines)), id_
        number = int(id_.rsplit("-", 1)[1])
        assert (number >= FIRST_GENERATED) == bool(lines[0].key), id_
        if key := lines[0].key:
            assert keys.setdefault(key, id_) == id_, key


def in_force(c: ir.Catalogue, entries: list[Entry]) -> None:
    """The last line of each ID is that of its requirement, or retires it."""
    last = {id_: lines[-1] for id_, lines in history(entries).items()}
    for r in c.requirements:
        e = last.pop(r.id)
        assert (e.digest, e.key, e.retired) == (digest(r.text), r.key, False), r.id
    assert all(e.retired for e in last.values())


def test_the_real_lock_is_that_of_the_catalogue() -> None:
    well_formed(LOCK)
    in_force(REAL, LOCK)


def test_the_lock_is_read_as_it_was_written() -> None:
    assert text_of(LOCK) == lock_path().read_bytes()


def test_what_is_no_lock_is_refused(tmp_path: Path) -> None:
    for line in ("[]", '{"id":"R-X-001"}', "R-X-001"):
        path = tmp_path / "requirements.lock"
        path.write_text(line)
        with pytest.raises(msgspec.MsgspecError):
            read(path)


def test_no_lock_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []


# ── What changes do to a lock ────────────────────────────────────────────────────────────────────────


def without(name: str) -> ir.Catalogue:
    """The catalogue without a packet type and what is said of it."""
    return structs.replace(
        DECLARED,
        packets=tuple(p for p in REAL.packets if p.name != name),
        requirements=tuple(r for r in BY_HAND if r.packet != name),
    )


def reworded(id_: str, text: str) -> ir.Catalogue:
    return structs.replace(
        DECLARED, requirements=tuple(structs.replace(r, text=text) if r.id == id_ else r for r in BY_HAND)
    )


def test_nothing_new_adds_nothing() -> None:
    found, entries = locked(DECLARED, LOCK)
    assert entries == LOCK
    assert found == REAL


def test_a_first_lock_has_every_requirement_once() -> None:
    found, entries = locked(DECLARED, [])
    well_formed(entries)
    in_force(found, entries)
    assert {e.rev for e in entries} == {1}
    assert locked(DECLARED, entries) == (found, entries)


def test_ids_do_not_depend_on_the_order_of_declaration() -> None:
    turned = structs.replace(DECLARED, packets=DECLARED.packets[::-1], layouts=DECLARED.layouts[::-1])
    found, entries = locked(turned, LOCK)
    assert entries == LOCK
    assert found.requirements == REAL.requirements


def test_a_changed_sentence_gets_the_next_revision() -> None:
    id_ = BY_HAND[0].id
    (before,) = (lines for i, lines in history(LOCK).items() if i == id_)
    found, entries = locked(reworded(id_, "The module MUST sing."), LOCK)
    assert entries[: len(LOCK)] == LOCK
    assert entries[len(LOCK) :] == [Entry(id_, before[-1].rev + 1, digest("The module MUST sing."))]
    assert found.requirement[id_].text == "The module MUST sing."


def test_spaces_make_no_revision() -> None:
    id_ = BY_HAND[0].id
    text = "  " + BY_HAND[0].text.replace(" ", "\n  ")
    assert locked(reworded(id_, text), LOCK)[1] == LOCK


def test_a_changed_range_changes_the_sentence_and_keeps_the_id() -> None:
    key = "PWR_REQUEST.request.object.range"
    layout = REAL.layout["PwrRequest"]
    parts = tuple(structs.replace(p, hi=5) if p.name == "object" else p for p in layout.parts)
    layouts = tuple(structs.replace(x, parts=parts) if x is layout else x for x in REAL.layouts)
    found, entries = locked(structs.replace(DECLARED, layouts=layouts), LOCK)
    assert found.by_key[key].id == REAL.by_key[key].id
    assert "0 to 5" in found.by_key[key].text
    assert {e.key for e in entries[len(LOCK) :]} == {key, f"{key}.sent"}


def test_what_is_gone_is_retired_and_its_ids_are_never_given_again() -> None:
    found, entries = locked(without("PWR_REQUEST"), LOCK)
    well_formed(entries)
    in_force(found, entries)
    gone = {r.id for r in REAL.requirements} - {r.id for r in found.requirements}
    assert {e.id for e in entries[len(LOCK) :] if e.retired} == gone
    assert any(REAL.requirement[i].key for i in gone)
    fresh = structs.replace(REAL.packet["PWR_REQUEST"], name="PWR_PLEA")
    added = structs.replace(without("PWR_REQUEST"), packets=(*without("PWR_REQUEST").packets, fresh))
    later, more = locked(added, entries)
    assert not {r.id for r in later.requirements} & gone
    well_formed(more)
    in_force(later, more)


def test_what_comes_back_has_its_old_id_and_a_further_revision() -> None:
    _, entries = locked(without("PWR_REQUEST"), LOCK)
    found, more = locked(DECLARED, entries)
    assert found == REAL
    well_formed(more)
    in_force(REAL, more)


def test_a_retired_number_is_not_given_to_another_sentence() -> None:
    gone = BY_HAND[-1]
    _, entries = locked(structs.replace(DECLARED, requirements=BY_HAND[:-1]), LOCK)
    with pytest.raises(SpecError, match="W09"):
        locked(reworded(gone.id, "The module MUST sing."), entries)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["all", "reworded", "reversed", *(p.name for p in REAL.packets)]), max_size=6))
def test_whatever_happens_the_lock_only_grows(steps: list[str]) -> None:
    entries = LOCK
    for i, step in enumerate(steps):
        match step:
            case "all":
                now = DECLARED
            case "reworded":
                now = reworded(BY_HAND[0].id, f"The module MUST sing {i} songs.")
            case "reversed":
                now = structs.replace(DECLARED, packets=DECLARED.packets[::-1])
            case name:
                now = without(name)
        found, longer = locked(now, entries)
        assert longer[: len(entries)] == entries
        well_formed(longer)
        in_force(found, longer)
        entries = longer


# ── Obligations and their keys ───────────────────────────────────────────────────────────────────────


def test_every_obligation_is_stated_once() -> None:
    made = list(obligations(REAL))
    assert len({r.key for r in made}) == len(made)
    assert {r.key for r in made} == REAL.by_key.keys()
    assert len({r.text for r in REAL.requirements}) == len(REAL.requirements)


def paths(c: ir.Catalogue, layout: ir.Layout) -> Iterator[str]:
    """Every field of a layout, and of the rows of its lists."""
    for f in ir.fields_of(layout.parts):
        yield f.name
        if isinstance(f, ir.Rows):
            yield from (f"{f.name}.{inner}" for inner in paths(c, c.layout[f.row]))


def keys_that_mean_something(c: ir.Catalogue) -> Iterator[str]:
    """Every key that a check of this catalogue could have."""
    checks = ("const", "range", "member", "cap", "reserved", "const.sent", "range.sent", "member.sent", "cap.sent")
    for p in c.packets:
        yield from (f"{p.name}.{what}" for what in ("answer", "absent"))
        yield from (f"{p.name}.{Form.REQUEST}.{what}" for what in ("short", "tlvs"))
        for form, name in p.forms.items():
            yield from (f"{p.name}.{form}.{path}.{what}" for path in paths(c, c.layout[name]) for what in checks)
    for s in c.spaces:
        for t in s.types:
            yield from (f"{s.name}.{t.name}.{path}.{what}" for path in paths(c, c.layout[t.layout]) for what in checks)


def test_what_holds_for_a_tlv_holds_where_the_tlv_is() -> None:
    """Its requirements are of no packet type, and bind whoever has what the TLV needs."""
    known = {f"{s.name}.{t.name}": t.needs for s in REAL.spaces for t in s.types}
    found = {key: r for key, r in REAL.by_key.items() if key.split(".")[0] in REAL.space}
    assert any(r.needs for r in found.values())
    for key, r in found.items():
        assert r.packet == "", key
        assert r.needs == known[".".join(key.split(".")[:2])], key


def test_no_request_is_both_too_short_and_of_a_wrong_size() -> None:
    """A body that is raw data from its first byte cannot end before a declared field does."""
    for p in REAL.packets:
        name = p.forms.get(Form.REQUEST)
        if name and all(isinstance(part, ir.Raw) for part in REAL.layout[name].parts):
            assert f"{p.name}.request.short" not in REAL.by_key, p.name
    assert "SPDM.request.message.cap" in REAL.by_key


def test_every_key_leads_to_a_field_or_a_packet() -> None:
    assert REAL.by_key.keys() <= set(keys_that_mean_something(REAL))


def test_a_generated_sentence_speaks_of_what_its_key_names() -> None:
    for key, r in REAL.by_key.items():
        place, *_ = key.split(".")
        if place in REAL.packet:
            assert r.packet == place, key
            assert place in r.text, key
        else:
            assert place in REAL.space, key
            assert f"`{key.split('.')[1]}`" in r.text, key
