"""The pages of the document: everything declared has its place there, and what they show is what is declared.

Plan: the pages · everything has its place · what pages say · diagrams · prose · names and quantities.
"""

import re
import sys
from functools import cache
from html import unescape
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.conformance.purposes import ROLES
from opalink.conformance.selection import purposes
from opalink.protocol import codec
from opalink.protocol.capture import pcapng
from opalink.protocol.generate import docs
from opalink.protocol.generate.docs import bits, example, states, words
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from tests import documented
from tests.changes import part

ROOT = Path(__file__).resolve().parent.parent
FOREIGN = {"GET_VERSION", "LINKTYPE_USER0", "LINKTYPE_USER1"}  # names that SPDM and pcapng give
PROSE = sorted((ROOT / "docs").glob("*.md"))

# ── The pages ────────────────────────────────────────────────────────────────────────────────────────


@cache
def reference() -> dict[str, str]:
    """The pages that follow from the catalogue."""
    return {name: data.decode() for name, data in docs.files(catalogue()).items()}


@cache
def trace() -> dict[str, str]:
    """The pages of requirements and tests."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import trace_pages
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return {name: data.decode() for name, data in trace_pages.files(catalogue()).items()}


def targets(text: str) -> list[str]:
    """The anchors that a page gives."""
    return re.findall(r"^\(([\w./-]+)\)=$", text, re.MULTILINE) + re.findall(r"\{#([\w.-]+)\}", text)


@cache
def anchors() -> list[str]:
    return [a for page in (*reference().values(), *trace().values()) for a in targets(page)]


# ── Everything has its place ─────────────────────────────────────────────────────────────────────────


def test_everything_declared_has_its_anchor() -> None:
    c, found = catalogue(), set(anchors())
    wanted = {f"message-{p.name}" for p in c.packets}
    wanted |= {f"machine-{m.name}-{m.role}" for m in c.machines}
    wanted |= {f"state-{m.name}-{m.role}-{s.name}" for m in c.machines for s in m.states}
    wanted |= {f"timer-{t.name}" for t in c.timers} | {f"status-{s.name}" for s in c.statuses}
    wanted |= {f"limit-{x.name}" for x in c.limits} | {f"channel-{x.name}" for x in c.channels}
    wanted |= {f"gear-{x.name}" for x in c.gears} | {f"profile-{p.name}" for p in c.profiles}
    wanted |= {f"enum-{x}" for x in (*c.choices, *c.flag_set)} | {f"envelope-{e.name}" for e in c.envelopes}
    wanted |= {f"layout-{x.name}" for x in c.layouts} | {f"space-{s.name}" for s in c.spaces}
    wanted |= {f"tlv-{s.name}-{t.name}" for s in c.spaces for t in s.types}
    wanted |= {f"chapter-{g.name}" for g in c.groups} | {f"area-{r.id.split('-')[1]}" for r in c.requirements}
    assert wanted - found == set()


def test_no_anchor_is_given_twice() -> None:
    lowered = [a.lower() for a in anchors()]  # Sphinx makes no difference between cases
    assert sorted({a for a in lowered if lowered.count(a) > 1}) == []


def test_every_link_of_a_page_leads_to_an_anchor() -> None:
    given = {a.lower() for a in anchors()}
    for name, page in (*reference().items(), *trace().items()):
        lost = {x for x in re.findall(r"\{ref\}`[^`<]*<([^>`]+)>`", page) if x.lower() not in given}
        assert lost == set(), name


def test_every_requirement_is_an_object_once() -> None:
    stated = re.findall(r"^```\{req\} (R-[A-Z]+-\d{3})$", "\n".join(trace().values()), re.MULTILINE)
    assert sorted(stated) == sorted(r.id for r in catalogue().requirements)
    assert len(set(stated)) == len(stated)


def test_every_requirement_that_a_page_cites_is_there() -> None:
    for name, page in (*reference().items(), *trace().items()):
        assert set(re.findall(r"\{need\}`([^`]+)`", page)) <= catalogue().requirement.keys(), name


def test_every_test_purpose_has_its_anchor_on_the_page_of_its_area() -> None:
    every = [p for role in ROLES for p in purposes(role)]
    given = {name: set(map(unescape, re.findall(r'id="([^"]+)"', page))) for name, page in trace().items()}
    for p in every:
        assert p.id in given[f"tests/{'-'.join(p.id.split('/')[:2])}.md"]


# ── What pages say ───────────────────────────────────────────────────────────────────────────────────


def test_pages_read_back_say_what_the_catalogue_says() -> None:
    assert list(documented.wrong(catalogue(), reference())) == []


@pytest.mark.parametrize("packet", catalogue().packets, ids=lambda p: p.name)
def test_an_example_shows_every_byte_of_a_packet_that_decodes(packet: ir.Packet) -> None:
    form = next(iter(packet.forms))
    vector = example.samples(catalogue())[f"{packet.name}.{form}"]
    data = bytes.fromhex(vector.hex)
    assert codec.decode(data).type == packet.code
    walk = example._Walk(catalogue(), data, 0)
    header = list(walk.layout(catalogue().envelope["PACKET"].header, "", len(data)))
    body = list(walk.layout(catalogue().layout[packet.forms[form]].parts, "", len(data) - 4))
    shown = {at: raw for at, raw, _, _ in (*header, *body)}  # the fields of one byte share it
    assert b"".join(raw for _, raw in sorted(shown.items())) == data[:-4]


def test_a_field_that_changes_changes_its_page() -> None:
    before, after = catalogue(), part("PwrReset", "off_time", hi=77)(catalogue())
    old, new = docs.files(before), docs.files(after)
    changed = {
        n
        for n in old
        if old[n].replace(before.fingerprint.encode(), b"") != new[n].replace(after.fingerprint.encode(), b"")
    }
    assert "messages/PWR_RESET.md" in changed
    assert b"0 to 77 ms" in new["messages/PWR_RESET.md"]


def test_the_pages_are_the_same_each_time() -> None:
    assert docs.files(catalogue()) == docs.files(catalogue())


# ── Diagrams ─────────────────────────────────────────────────────────────────────────────────────────


def drawings(page: str) -> list[ET.Element]:
    """The pictures of a page; raises where one is no XML."""
    return [ET.fromstring(x) for x in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314 (our own)


def test_pictures_are_well_formed_and_stay_in_their_frame() -> None:
    for page in reference().values():
        for svg in drawings(page):
            _, _, width, height = map(float, svg.attrib["viewBox"].split())
            for box in svg.iter("rect"):
                a = {k: float(box.attrib[k]) for k in ("x", "y", "width", "height")}
                assert 0 <= a["x"] <= a["x"] + a["width"] <= width
                assert 0 <= a["y"] <= a["y"] + a["height"] <= height


def test_no_two_boxes_of_a_bit_diagram_overlap() -> None:
    for p in catalogue().packets:
        for svg in drawings(reference()[f"messages/{p.name}.md"]):
            boxes = sorted(
                (float(r.attrib["y"]), float(r.attrib["x"]), float(r.attrib["width"])) for r in svg.iter("rect")
            )
            for (y1, x1, w1), (y2, x2, _) in pairwise(boxes):
                assert y1 < y2 or x1 + w1 <= x2


def test_the_bits_of_a_word_of_two_bytes_stand_where_they_are_sent() -> None:
    """Bit 15 to 12 of a little-endian word are the upper half of its second byte."""
    high, low = (ir.Number(name=n, doc="", bits=b, shift=s) for n, b, s in (("high", 4, 12), ("low", 12, 0)))
    cells, _ = bits._fixed((ir.Bits(name="word", fields=(high, low)),))
    assert [f.name for f in cells] == ["low"] * 8 + ["high"] * 4 + ["low"] * 4


def test_every_way_of_a_machine_is_drawn_and_no_two_share_a_line() -> None:
    for m in catalogue().machines:
        ways = states.rails(m)
        drawn = {(s, w.next) for w in ways for s in w.states}
        assert drawn == {(s, r.next) for r in m.rows if r.next for s in r.states if s != r.next}
        order = [s.name for s in m.states]
        columns = states._columns(order, ways)
        spans: dict[int, list[tuple[int, int]]] = {}
        for w in ways:
            at = [order.index(s) for s in (*w.states, w.next)]
            spans.setdefault(columns[w.number], []).append((min(at), max(at)))
        for column in spans.values():
            column.sort()
            assert all(a[1] < b[0] for a, b in pairwise(column))


# ── Prose ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.stem)
def test_a_hand_written_page_names_only_what_there_is(path: Path) -> None:
    text = path.read_text()
    words.prose(catalogue(), text)  # its quantities
    assert set(re.findall(r"R-[A-Z]+-\d{3}", text)) <= catalogue().requirement.keys()
    known = FOREIGN | words.anchors(catalogue()).keys() | {m.name for e in catalogue().enums for m in e.members}
    known |= {m.name for f in catalogue().flags for m in f.members}
    known |= {s.name for m in catalogue().machines for s in m.states} | catalogue().envelope.keys()
    said = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)
    assert set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b", said)) <= known
    assert set(re.findall(r"\bt[A-Z][A-Za-z]+\b", said)) <= catalogue().timer.keys()


def test_the_packet_worked_by_hand_is_what_the_page_says() -> None:
    page = (ROOT / "docs" / "wire.md").read_text()
    (hexes,) = re.findall(r"```text\n((?:[0-9a-f]{2} ?)+)\n```", page)
    packet = codec.decode(bytes.fromhex(hexes))
    body = packet.body
    assert type(body).__name__ == "PwrReady"
    assert (body.object, body.voltage, body.limit, body.contract) == (2, 9000, 1000, 1)
    assert f"0x{int.from_bytes(bytes.fromhex(hexes)[-4:], 'little'):08X}" in page
    (crc,) = (c for c in catalogue().crcs if c.name == "crc32c")
    assert f"0x{crc.check:08X}" in page


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.stem)
def test_packets_in_commands_decode(path: Path) -> None:
    for found in re.findall(r"opalink decode ([0-9a-f]{40,})", path.read_text()):
        codec.decode(bytes.fromhex(found))


def test_the_annex_of_the_capture_format_names_the_link_types_that_are_written() -> None:
    page = (ROOT / "docs" / "capture-format.md").read_text()
    assert f"LINKTYPE_USER0 ({pcapng.LINKTYPE_PACKET})" in page
    assert f"LINKTYPE_USER1 ({pcapng.LINKTYPE_FLIT})" in page


# ── Names and quantities ─────────────────────────────────────────────────────────────────────────────


def test_names_in_prose_become_links_but_not_in_code_or_headings() -> None:
    page = "# HELLO\n\nHELLO and `HELLO`, tHello_x, tHello.\n\n```text\nHELLO\n```\n"
    linked = words.prose(catalogue(), page)
    assert linked.count("<message-HELLO>") == 1
    assert linked.count("<timer-tHello>") == 1
    assert linked.startswith("# HELLO\n")


def test_prose_that_asks_for_a_quantity_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no timer or limit tNothing"):
        words.prose(catalogue(), "It takes {{ tNothing }}.")


def test_prose_takes_quantities_from_the_catalogue() -> None:
    timer = catalogue().timer["tHoldover"]
    longer = structs.replace(timer, nominal=3_000_000_000)
    changed = structs.replace(catalogue(), timers=tuple(longer if t is timer else t for t in catalogue().timers))
    assert "3 s" in words.prose(changed, "{{ tHoldover_nominal }}")


@given(st.integers(0, 10**13))
def test_a_duration_is_exact(ns: int) -> None:
    number, unit = words.duration(ns).rsplit(" ", 1)
    size = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}[unit]
    assert float(number.replace("\u202f", "")) * size == pytest.approx(ns, rel=1e-9)


@given(st.text())
def test_declared_text_cannot_become_markup_of_a_table(text: str) -> None:
    assert re.search(r"(?<!\\)[|<>]", words.plain(text)) is None
