"""The accelerator: nobody can tell it from the codec in Python, but by a clock.

Plan: the extension · what it does alone · the same as Python · what it leaves to Python · random schemas · mutants ·
choosing.
"""

import gc
import re
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.protocol import accelerator, strategies
from opalink.protocol.generate.c import EXTENSION, files
from opalink.protocol.generate.c.extension import extension_source
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.names import camel
from opalink.protocol.ir.write import write
from opalink.protocol.packets import codec
from opalink.protocol.packets.codec import Packet
from tests.differential import mutations, ours
from tests.differential.agreement import made
from tests.differential.c import inputs
from tests.differential.c_accelerator import BUILDS, WITHOUT, built, differences, loaded, outcome, told
from tests.differential.c_random import Trials
from tests.differential.dice import Dice
from tests.differential.test_wrong_values import WRONG
from tests.differential.trial import _in_a_value, changed, envelope_inputs, packet_inputs
from tests.test_vectors import ALL

pytestmark = pytest.mark.skipif(not BUILDS, reason=WITHOUT)

GOOD = [bytes.fromhex(v.hex) for v in ALL if not v.error]

# ── The extension ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def library() -> Path:
    """The extension as it is checked in; its compiler has nothing to say."""
    return built(files(catalogue()))


@pytest.fixture(scope="module")
def native(library: Path) -> ModuleType:
    return loaded(library)


@pytest.fixture(scope="module")
def alone(library: Path) -> ModuleType:
    """The extension where the codec in Python does nothing for it."""

    def left(*arguments: object, **options: object) -> None:
        raise AssertionError(f"left to Python: {arguments} {options}")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("Packet", "Flit", "Sideband", "Record"):
            patch.setattr(codec, f"decode_{name}", left)
            patch.setattr(codec, f"encode_{name}", left)
        return loaded(library)


# ── What it does alone ───────────────────────────────────────────────────────────────────────────────


def test_whatever_is_legal_and_known_is_done_without_python(alone: ModuleType) -> None:
    done = 0
    for data in GOOD:
        want = codec.decode_Packet(data)
        if isinstance(want.body, bytes):
            continue  # of an unknown type or form
        assert told(alone.decode_Packet(data)) == told(want)
        assert alone.encode_Packet(want) == data
        done += 1
    assert done > 0.9 * len(GOOD)


@pytest.mark.parametrize("envelope", catalogue().envelopes[1:], ids=lambda e: e.name)
def test_envelopes_are_done_without_python(alone: ModuleType, envelope: ir.Envelope) -> None:
    name = camel(envelope.name)
    value = vars(codec)[name]()
    data = getattr(codec, f"encode_{name}")(value)
    assert getattr(alone, f"encode_{name}")(value) == data
    assert told(getattr(alone, f"decode_{name}")(data)) == told(getattr(codec, f"decode_{name}")(data))


def test_a_refusal_is_left_to_python(alone: ModuleType) -> None:
    with pytest.raises(AssertionError, match="left to Python"):
        alone.decode_Packet(GOOD[0][:-1])


# ── The same as Python ───────────────────────────────────────────────────────────────────────────────


def test_vectors_have_the_same_outcome(native: ModuleType) -> None:
    for v in ALL:
        assert list(differences(native, codec, bytes.fromhex(v.hex))) == [], v.name


def test_packets_of_every_message_legal_and_not(native: ModuleType) -> None:
    for i, (_, data) in enumerate(islice(inputs(catalogue(), 3), 6000)):
        assert list(differences(native, codec, data, crc=i % 16 != 0)) == []


@settings(max_examples=60)
@given(strategies.packets(catalogue(), strategies.boundary), st.randoms(use_true_random=False))
def test_packets_at_their_limits_and_what_damage_makes_of_them(native: ModuleType, data: bytes, random: Any) -> None:
    assert list(differences(native, codec, data)) == []
    damaged = bytearray(data)
    damaged[random.randrange(len(data))] ^= 1 << random.randrange(8)
    assert list(differences(native, codec, bytes(damaged), crc=False)) == []


@pytest.mark.parametrize("envelope", catalogue().envelopes, ids=lambda e: e.name)
@pytest.mark.parametrize("crc", [True, False])
def test_envelopes_mean_the_same(native: ModuleType, envelope: ir.Envelope, crc: bool) -> None:
    options = {"crc": crc} if envelope.crc else {}
    for data in envelope_inputs(Dice.seeded(9), catalogue(), envelope, 40):
        for kind in (bytes, bytearray, memoryview):
            assert list(differences(native, codec, kind(data), camel(envelope.name), **options)) == []


@pytest.mark.parametrize(
    "kind",
    [
        bytearray, memoryview, list, bytes.hex, type("Bytes", (bytes,), {}), lambda x: memoryview(x + x)[::2],
        lambda x: memoryview(x).cast("b"), lambda x: memoryview(x).cast("B", (len(x), 1)), lambda _: None,
    ],
)  # fmt: skip
def test_every_kind_of_buffer_is_taken_or_refused_alike(native: ModuleType, kind: Callable[[bytes], Any]) -> None:
    for data in GOOD[::50]:
        assert outcome(native.decode_Packet, kind(data)) == outcome(codec.decode_Packet, kind(data))


def test_a_wrong_value_of_any_field_is_refused_alike_or_written_alike(native: ModuleType) -> None:
    def both(packet: Any) -> None:
        assert outcome(native.encode_Packet, packet) == outcome(codec.encode_Packet, packet), packet

    for name in ours.schemas():
        body = ours.module()[name]()
        for field in body.__struct_fields__:
            for wrong in WRONG:
                both(Packet(type=1, body=structs.replace(body, **{field: wrong})))
    for name in ("Packet", "Flit", "Sideband", "Record"):
        value: Any = vars(codec)[name]()
        for field in value.__struct_fields__:
            for wrong in WRONG:
                other, verb = structs.replace(value, **{field: wrong}), f"encode_{name}"
                assert outcome(getattr(native, verb), other) == outcome(getattr(codec, verb), other), other
    for wrong in WRONG:
        both(wrong)


def test_values_inside_rows_and_tlvs_are_refused_alike(native: ModuleType) -> None:
    c, refused = catalogue(), 0
    for i, (name, (layout, _)) in enumerate(ours.schemas().items()):
        for change in (mutations.illegal_in, mutations.unencodable, mutations.illegal_in):
            dice = Dice.seeded(i)
            value = changed(dice, c, layout, mutations.legal(dice, c, layout), _in_a_value(change))
            packet = Packet(type=1, body=made(c, ours.module(), layout, value))
            want = outcome(codec.encode_Packet, packet)
            assert outcome(native.encode_Packet, packet) == want, name
            refused += want[0] == "refused"
    assert refused > 50


# ── What it leaves to Python ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((), {}), ((GOOD[0], True), {}), ((GOOD[0],), {"crc": 1}), ((GOOD[0],), {"crc": []}), ((GOOD[0],), {"sum": True}),
     ((), {"data": GOOD[0]}), ((), {"crc": False}), ((GOOD[0],), {"crc": True, "more": 1})],
)  # fmt: skip
def test_calls_are_taken_or_refused_alike(native: ModuleType, arguments: tuple[Any, ...], options: Any) -> None:
    assert outcome(native.decode_Packet, *arguments, **options) == outcome(codec.decode_Packet, *arguments, **options)


def test_nothing_is_kept_of_what_was_decoded_refused_or_encoded(native: ModuleType) -> None:
    def once() -> None:
        for data in [*GOOD[::20], GOOD[0][:-1]]:
            packet = outcome(native.decode_Packet, memoryview(data))
            del packet
        for data in GOOD[::20]:
            native.encode_Packet(native.decode_Packet(data))

    for _ in range(3):
        once()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(20):
        once()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100


# ── Random schemas ───────────────────────────────────────────────────────────────────────────────────


class Strange:
    """A random schema: its codec in Python as a module, inputs for it, and its extension."""

    def __init__(self, seed: int) -> None:
        self.trials = Trials(seed, 1)
        name = f"opalink_random_{seed}"
        self.python = sys.modules[name] = ModuleType(name)
        vars(self.python).update(self.trials.module | {"__name__": name})
        self.sources = files(self.trials.c)
        text = extension_source(self.trials.c, "", lambda _: self.python.__name__)
        self.sources[EXTENSION] = f"{self.trials.capacities}\n{text}".encode()
        self.packets = list(self._packets())
        self.values = list(self._values())

    def _packets(self) -> Iterator[bytes]:
        dice, c = self.trials.dice, self.trials.c
        for packet, form, _ in self.trials.schema.bodies():
            layout = c.layout[packet.forms[form]]
            for _ in range(6):
                body = write(c, layout, mutations.legal(dice, c, layout))
                yield from packet_inputs(dice, c, packet, form, body)

    def _values(self) -> Iterator[Any]:
        """Packets around bodies with one violation, and with one wrong value in any field."""
        dice, c, module = self.trials.dice, self.trials.c, self.trials.module
        for packet, form, _ in self.trials.schema.bodies():
            layout = c.layout[packet.forms[form]]
            for change in (mutations.illegal_in, mutations.unencodable):
                value = changed(dice, c, layout, mutations.legal(dice, c, layout), _in_a_value(change))
                yield module["Packet"](body=made(c, module, layout, value))
            body = made(c, module, layout, mutations.legal(dice, c, layout))
            for field in body.__struct_fields__:
                yield from (module["Packet"](body=structs.replace(body, **{field: x})) for x in (*WRONG, 1 << 62))

    def differences(self, change: Callable[[str], str] = str, flags: tuple[str, ...] = ("-O0", "-w")) -> Iterator[str]:
        """What the two make of the inputs, where somebody has changed the extension."""
        sources = self.sources | {EXTENSION: change(self.sources[EXTENSION].decode()).encode()}
        native = loaded(built(sources, flags))
        for data in self.packets:
            for crc in (True, False):
                yield from differences(native, self.python, data, crc=crc)
            yield from differences(native, self.python, memoryview(data))
        for packet in self.values:
            want = outcome(self.python.encode_Packet, packet)
            if (found := outcome(native.encode_Packet, packet)) != want:
                yield f"{packet}: {want} became {found}"


@pytest.fixture(scope="module")
def strange() -> list[Strange]:
    return [Strange(seed) for seed in (12, 27)]


def test_whatever_can_be_declared_means_the_same(strange: list[Strange]) -> None:
    for s in strange:
        assert next(s.differences(), None) is None, s.python.__name__


# ── Mutants ──────────────────────────────────────────────────────────────────────────────────────────

MUTANTS: dict[str, tuple[str, str]] = {
    "fields in another order": (r"\bslot\[0\]", "slot[1]"),
    "a number for its member": (r"opal_listed\(&\w+, ", "PyLong_FromLong("),
    "the sign lost": (r"PyLong_FromLong\(v->(\w+)\)", r"PyLong_FromLong((uint8_t)v->\1)"),
    "any number": (r"return \*value <= most;", "return true;"),
    "any small number": (r"small >= 0 && \(uint64_t\)small <= most", "true"),
    "CRC, not asked": (r"crc && !opal_proved", "false && !opal_proved"),
    "CRC, not written": (r"\*data\+\+ = \(uint8_t\)crc;", "data++;"),
    "the first row for all": (r"&\(rows\)\.at\[i\], from", "&(rows).at[0], from"),
    "another tag": (r"\(uint16_t\)tag, &at", "(uint16_t)(tag ^ 1), &at"),
    "raw data from another place": (r"begin = part\.at - from->at", "begin = part.at - from->at + 1"),
    "legal or not": (r"p != NULL && p == data\.at \+ data\.n \?", "true ?"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_dies(name: str, strange: list[Strange]) -> None:
    pattern, by = MUTANTS[name]
    assert any(re.search(pattern, s.sources[EXTENSION].decode()) for s in strange), "applies nowhere"
    assert any(next(s.differences(lambda text: re.sub(pattern, by, text)), "") for s in strange)


# ── Choosing ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def installed(native: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("OPALINK_ACCELERATOR", raising=False)
    monkeypatch.setitem(sys.modules, accelerator.NAME, native)
    return native


def test_one_that_was_built_from_this_catalogue_is_used(installed: ModuleType) -> None:
    assert accelerator.chosen() is installed


@pytest.mark.usefixtures("installed")
def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPALINK_ACCELERATOR", "off")
    assert accelerator.chosen() is codec


def test_one_of_another_catalogue_is_not_used(installed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "FINGERPRINT", "0" * 64)
    assert accelerator.chosen() is codec


def test_where_none_was_built_python_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, accelerator.NAME, None)
    assert accelerator.chosen() is codec
