"""A value that has no encoding is refused with an EncodeError that names its field; nothing else is ever raised,
and nothing is written that would not come back."""

from typing import Any

import pytest
from msgspec import structs

from opalink.protocol.errors import EncodeError
from opalink.protocol.runtime import Tlv
from tests.differential import ours
from tests.differential.agreement import Module, load, plain
from tests.differential.dice import Dice
from tests.differential.random_schemas import random_schema

UNKNOWN = 0xFFF7
WRONG = (
    None, 1.5, float("nan"), float("inf"), "x", "four", [], {}, set(), object(), range(3), (None,), (1,), [b""],
    True, -1, 1 << 70, b"", b"four", bytearray(b"four"), memoryview(b"four"),
    memoryview(bytes(8)).cast("I"), memoryview(b"efgh")[::2],
    (Tlv(UNKNOWN, None),), (Tlv(None, b""),), (Tlv([], b""),), (Tlv(70_000, b""),), (Tlv(-1, b""),), (Tlv(1.0, b""),),
    (Tlv(UNKNOWN, b"x" * 70_000),), (Tlv(UNKNOWN, "x"),), (Tlv(UNKNOWN, bytearray(b"x")),), (Tlv(UNKNOWN, 1),),
    (Tlv(UNKNOWN, memoryview(b"x")),), (Tlv(UNKNOWN, b"x"), None), [Tlv(UNKNOWN, b"x")],
)  # fmt: skip


def judged(module: Module, name: str) -> None:
    default = module[name]()
    for field in default.__struct_fields__:
        for wrong in WRONG:
            value = structs.replace(default, **{field: wrong})
            try:
                data = module[f"encode_{name}"](value)
            except EncodeError as error:
                assert error.path.startswith(field), (name, field, wrong)  # noqa: PT017
                continue
            assert type(data) is bytes
            back = module[f"decode_{name}"](data, 0, len(data))
            assert plain(back) == plain(value), (name, field, wrong)
    for wrong in (None, 1, "x", object(), Tlv(1, b"")):
        with pytest.raises(EncodeError):
            module[f"encode_{name}"](wrong)


def test_in_the_catalogue() -> None:
    for name in ours.schemas():
        judged(ours.module(), name)


@pytest.mark.parametrize("seed", range(300, 330))
def test_in_random_schemas(seed: int) -> None:
    schema = random_schema(Dice.seeded(seed))
    module = load(schema.source)
    for packet, form, _ in schema.bodies():
        judged(module, packet.forms[form])


@pytest.mark.parametrize("name", ["Packet", "Flit", "Sideband", "Record"])
def test_in_envelopes(name: str) -> None:
    module: Any = ours.module()
    default = module[name]()
    for field in default.__struct_fields__:
        for wrong in WRONG:
            value = structs.replace(default, **{field: wrong})
            try:
                data = module[f"encode_{name}"](value)
            except EncodeError as error:
                assert error.path in {field, "payload", "body"}  # noqa: PT017
                continue
            if name != "Packet" or field == "t_ns":  # bytes in the place of a packet's body are not looked at
                assert module[f"encode_{name}"](module[f"decode_{name}"](data)) == data
