"""Protocol Buffers with upb: the same values in its own encoding, parsed, and every field read once.

The messages are described at run time: no compiler, no generated file.
"""

from importlib.metadata import version
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import api_implementation

from bench.peers import Peer
from bench.samples import Plain

_Field = descriptor_pb2.FieldDescriptorProto
_HEADER = ("rsp", "spare2", "more", "spare0", "type", "vc", "instance", "status", "txn", "t_ns")
_LEADER = (
    "frame", "request", "stream", "step", "kind", "pixel_format", "codec", "width", "height", "x", "y", "t_first_row",
    "line_period", "row_direction", "blocks", "block_bytes", "size",
)  # fmt: skip
_BLOCK = ("frame_lo", "block", "line0", "lines", "roi", "flags", "spare")
_WIDE = {"t_ns", "frame", "t_first_row", "size", "time"}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="opal.proto", package="opal", syntax="proto3")

    def message(name: str, numbers: tuple[str, ...], **others: tuple[int, str, bool]) -> None:
        found = file.message_type.add(name=name)
        for field in numbers:
            kind = _Field.TYPE_UINT64 if field in _WIDE else _Field.TYPE_UINT32
            found.field.add(name=field, number=len(found.field) + 1, type=kind, label=_Field.LABEL_OPTIONAL)
        for field, (kind, of, many) in others.items():
            label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
            named = {"type_name": of} if of else {}
            found.field.add(name=field, number=len(found.field) + 1, type=kind, label=label, **named)

    inner = _Field.TYPE_MESSAGE
    message("Exposure", ("time", "gain"))
    message("Setting", ("tag",), value=(_Field.TYPE_SINT64, "", False))
    lists = {"exposures": (inner, ".opal.Exposure", True), "settings": (inner, ".opal.Setting", True)}
    message("FrameLeader", _LEADER, **lists)
    message("FrameBlock", _BLOCK, data=(_Field.TYPE_BYTES, "", False))
    message("Packet", _HEADER, leader=(inner, ".opal.FrameLeader", False), block=(inner, ".opal.FrameBlock", False))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"opal.{m.name}") for m in file.message_type)
    return {m.name: message_factory.GetMessageClass(m) for m in found}


_CLASSES = _classes()
_Packet = _CLASSES["Packet"]


def schema() -> bytes:
    """The messages as a FileDescriptorSet, for compilers that read one."""
    found = descriptor_pb2.FileDescriptorSet()
    _Packet.DESCRIPTOR.file.CopyToProto(found.file.add())
    data: bytes = found.SerializeToString()
    return data


def wire(value: Plain) -> bytes:
    packet = _Packet(**{name: value[name] for name in _HEADER})
    body = value["body"]
    if "data" in body:
        packet.block.CopyFrom(_CLASSES["FrameBlock"](**body))
    else:
        lists = {"exposures": body["exposures"], "settings": [{"tag": t, "value": v} for t, v in body["settings"]]}
        packet.leader.CopyFrom(_CLASSES["FrameLeader"](**(body | lists)))
    data: bytes = packet.SerializeToString()
    return data


def decode(data: bytes) -> tuple[Any, ...]:
    p = _Packet.FromString(data)
    header = p.rsp, p.spare2, p.more, p.spare0, p.type, p.vc, p.instance, p.status, p.txn, p.t_ns
    if p.type == 0x70:
        b = p.leader
        return (
            header,
            (
                b.frame, b.request, b.stream, b.step, b.kind, b.pixel_format, b.codec, b.width, b.height, b.x, b.y,
                b.t_first_row, b.line_period, b.row_direction, b.blocks, b.block_bytes, b.size,
            ),
            [(x.time, x.gain) for x in b.exposures],
            [(x.tag, x.value) for x in b.settings],
        )  # fmt: skip
    b = p.block
    return header, (b.frame_lo, b.block, b.line0, b.lines, b.roi, b.flags, b.spare), b.data


def values(decoded: tuple[Any, ...]) -> Plain:
    header, fixed, *others = decoded
    if len(others) == 1:
        body = dict(zip(_BLOCK, fixed, strict=True)) | {"data": others[0]}
    else:
        exposures, settings = others
        body = dict(zip(_LEADER, fixed, strict=True)) | {"settings": settings}
        body["exposures"] = [{"time": time, "gain": gain} for time, gain in exposures]
    return dict(zip(_HEADER, header, strict=True)) | {"body": body}


assert api_implementation.Type() == "upb", "protobuf runs without its C library: the comparison would mean nothing"
PEER = Peer(f"protobuf {version('protobuf')} (upb), all fields read", decode, values, wire=wire)
