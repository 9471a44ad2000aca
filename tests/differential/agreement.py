"""Where two readings meet: the generated codec beside construct, on the same bytes and on the same values.

For bytes: both accept or both refuse; a refusal has the same class, path and offset; an accepted value is the same
in both, and both make of it the very bytes that it came from. The generated decoder also sees the bytes inside a
longer buffer, and as the other kinds of buffer. For values with at most one violation: both encode to the same
bytes, or both refuse for the same field.

A case is an input with what construct says of it, so that one reading by construct can judge many codecs.

Plan: the generated side · cases: body, value, frame.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from opalink.protocol.errors import DecodeError, EncodeError
from opalink.protocol.ir import model as ir
from opalink.protocol.runtime import Tlv
from tests.differential import reference
from tests.differential.reference import Plain, Refused

Module = dict[str, Any]

AROUND = b"\xa5\x5a\xff\0" * 8  # what stands before and behind the window that a decoder may look at
BUFFERS: tuple[Callable[[bytes], Any], ...] = (bytes, bytearray, memoryview)


# ── The generated side ───────────────────────────────────────────────────────────────────────────────


def load(source: str) -> Module:
    """The generated codec, as the names of a module."""
    module: Module = {"__name__": "generated"}
    exec(compile(source, "generated", "exec"), module)  # noqa: S102 (the source was generated here)
    return module


def plain(value: Any) -> Any:
    """What `codec.plain` does; that one needs the generated package of the real catalogue."""
    match value:
        case Tlv():
            return (int(value.tag), plain(value.value))
        case tuple() | list():
            return [plain(v) for v in value]
        case int():
            return int(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value)
    return {name: plain(getattr(value, name)) for name in value.__struct_fields__}


def made(catalogue: ir.Catalogue, module: Module, layout: ir.Layout, value: Plain) -> Any:
    """A value class from a plain value."""
    fields = {}
    for f in ir.fields_of(layout.parts):
        if f.name not in value:
            continue
        found = value[f.name]
        match f:
            case ir.Rows() if isinstance(found, list):
                found = tuple(made(catalogue, module, catalogue.layout[f.row], x) for x in found)
            case ir.Tlvs() if isinstance(found, list):
                space = catalogue.space[f.space]
                found = tuple(Tlv(tag, _made_tlv(catalogue, module, space, tag, x)) for tag, x in found)
        fields[f.name] = found
    return module[layout.name](**fields)


def _made_tlv(catalogue: ir.Catalogue, module: Module, space: ir.Space, tag: int, value: Any) -> Any:
    known = next((t for t in space.types if t.tag == tag), None)
    if known is None or not isinstance(value, dict):
        return value
    return made(catalogue, module, catalogue.layout[known.layout], value)


def decoded(decode: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, Plain | Refused]:
    """The value class, or the error; and what it says."""
    try:
        value = decode(*args, **options)
    except DecodeError as error:
        return error, Refused(error.fault, error.path, error.offset)
    return value, plain(value)


def encoded(module: Module, name: str, value: Any) -> bytes | str:
    """The bytes, or the path of what was refused."""
    try:
        data = module[f"encode_{name}"](value)
    except EncodeError as error:
        return error.path
    return data if type(data) is bytes else f"{type(data).__name__} instead of bytes"


# ── Cases ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class BodyCase:
    """Bytes of a body."""

    catalogue: ir.Catalogue
    layout: ir.Layout
    schema: Any
    data: bytes

    @cached_property
    def expected(self) -> Plain | Refused:
        return reference.read(self.schema, self.data)

    @cached_property
    def rebuilt(self) -> bytes | str | None:
        return None if isinstance(self.expected, Refused) else reference.written(self.schema, self.expected)

    def __str__(self) -> str:
        return f"{self.layout.name} {self.data.hex()}"

    def differences(self, module: Module) -> Iterator[str]:
        name, data, decode = self.layout.name, self.data, module[f"decode_{self.layout.name}"]
        value, found = decoded(decode, data, 0, len(data))
        if found != self.expected:
            yield f"construct says {self.expected}, the codec {found}"
            return
        n, within = len(AROUND), found
        if isinstance(found, Refused):
            within = Refused(found.fault, found.path, found.offset + n)
        views = []
        for kind in BUFFERS:
            view, also = decoded(decode, kind(AROUND + data + AROUND), n, n + len(data))
            views.append(view)
            if also != within:
                yield f"as {kind.__name__} in a longer buffer: {also} instead of {within}"
        if isinstance(self.expected, Refused):
            return
        if self.rebuilt != data:
            yield f"construct rebuilds {self.rebuilt!r}"
        for what in (value, *views, made(self.catalogue, module, self.layout, self.expected)):
            if (back := encoded(module, name, what)) != data:
                yield f"the codec rebuilds {back!r} from {what}"


@dataclass
class ValueCase:
    """A plain value, legal or with one violation."""

    catalogue: ir.Catalogue
    layout: ir.Layout
    schema: Any
    value: Plain

    @cached_property
    def expected(self) -> bytes | str:
        return reference.written(self.schema, self.value)

    def __str__(self) -> str:
        return f"{self.layout.name} of {self.value}"

    def differences(self, module: Module) -> Iterator[str]:
        found = encoded(module, self.layout.name, made(self.catalogue, module, self.layout, self.value))
        if found != self.expected:
            yield f"construct makes {self.expected!r}, the codec {found!r}"


@dataclass
class FrameCase:
    """Bytes of an envelope or of a packet: `read` is how construct reads them."""

    name: str
    read: Callable[..., Any]
    data: bytes
    with_crc: bool

    @cached_property
    def expected(self) -> Any:
        return self.read(self.data)

    @cached_property
    def unchecked(self) -> Any:
        return self.read(self.data, crc=False)

    def __str__(self) -> str:
        return f"{self.name} {self.data.hex()}"

    def differences(self, module: Module) -> Iterator[str]:
        decode = module[f"decode_{self.name}"]
        for kind in BUFFERS:
            value, found = decoded(decode, kind(self.data))
            if found != self.expected:
                yield f"construct says {self.expected}, the codec, given {kind.__name__}, {found}"
            elif not isinstance(found, Refused):
                if (back := encoded(module, self.name, value)) != self.data:
                    yield f"the codec rebuilds {back!r} from {value}"
            elif (value.packet is not None) != (self.name == "Packet" and "." in found.path):
                yield f"an error in {found.path} comes with {value.packet}"
            elif value.packet and encoded(module, self.name, value.packet) != self.data:
                yield f"the packet of the error is {value.packet}"
        if self.with_crc:
            _, found = decoded(decode, self.data, crc=False)
            if found != self.unchecked:
                yield f"without CRC construct says {self.unchecked}, the codec {found}"


Case = BodyCase | ValueCase | FrameCase
