"""A gateway whose module can be taken off by a relay alone: it offers no operation on contacts and lanes, and whoever
speaks to its second port has them done. A program of its own: one tester after the other, in real time.

    python tests/pixit_gateway.py PROFILE     prints "TESTER RELAY", its two ports

Plan: the gateway.
"""

import socket
import sys

from msgspec import structs

from opalink.protocol.codec import Record, encode_record
from opalink.protocol.packets import AttachOperation, DetachOperation
from opalink.protocol.packets.bodies import (
    ControlRequest,
    decode_Bind,
    decode_ControlResult,
    encode_Bind,
    encode_ControlRequest,
)
from opalink.protocol.packets.enums import Operation, OperationTag, RecordKind
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Channel, IutUri
from opalink.protocol.transport.channel import SocketChannel
from opalink.protocol.transport.framing import RecordReader

HIDDEN = Operation.ATTACH | Operation.DETACH | Operation.LANE_DOWN | Operation.LANE_UP
OURS = 0xFFFF  # the sequence number of operations that the relay has asked for
LOOK = 0.001  # seconds
OPERATIONS = {
    "attach": Tlv(OperationTag.ATTACH, AttachOperation()),
    "detach": Tlv(OperationTag.DETACH, DetachOperation()),
}

# ── The gateway ──────────────────────────────────────────────────────────────────────────────────────


class Gateway:
    """Between a tester, a module and a relay."""

    def __init__(self, tester: Channel, module: Channel, relay: socket.socket) -> None:
        self.tester, self.module, self.relay = tester, module, relay
        self.reader = RecordReader()
        self.asking: socket.socket | None = None

    def run(self) -> None:
        """Until the tester goes."""
        while (data := self.tester.receive(LOOK)) != b"":
            if data:
                self.module.send(data)
            for record in self.reader.feed(self.module.receive(LOOK) or b""):
                if (kept := self.changed(record)) is not None:
                    self.tester.send(encode_record(kept))
            self.ask()

    def changed(self, record: Record) -> Record | None:
        """What the tester gets of a record of the module's."""
        payload = record.payload
        if record.kind == RecordKind.BIND:
            bind = decode_Bind(payload, 0, len(payload))
            hidden = encode_Bind(structs.replace(bind, operations=bind.operations & ~HIDDEN))
            return structs.replace(record, payload=hidden)
        ours = record.kind == RecordKind.CONTROL and decode_ControlResult(payload, 0, len(payload)).seq == OURS
        if not ours or self.asking is None:
            return record
        self.asking.sendall(b"done\n")  # a switch that is open already is no failure
        self.asking.close()
        self.asking = None
        return None

    def ask(self) -> None:
        """Have the module do what the relay was told to."""
        try:
            self.asking, _ = self.relay.accept()
        except BlockingIOError:
            return
        operation = OPERATIONS[self.asking.recv(100).decode().split()[0]]
        request = ControlRequest(OURS, (operation,))
        self.module.send(encode_record(Record(RecordKind.CONTROL, payload=encode_ControlRequest(request))))


def serve(profile: str) -> None:
    """Serve testers for ever."""
    with socket.create_server(("127.0.0.1", 0)) as front, socket.create_server(("127.0.0.1", 0)) as relay:
        relay.setblocking(False)
        sys.stdout.write(f"{front.getsockname()[1]} {relay.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connected, _ = front.accept()
            with SocketChannel(connected) as tester, IutUri.parse(f"sim:{profile}").open() as module:
                Gateway(tester, module, relay).run()


if __name__ == "__main__":
    serve(sys.argv[1])
