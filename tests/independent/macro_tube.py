"""A macro tube, written from the published document alone.

Whoever wrote it had the built document and nothing of the sources: not the schemas, not the codec, no template. It is
one program of the standard library alone and imports nothing of opalink, and that is what it is worth: where it and the
reference are both passed by a test, two readings of the text agree. It is kept as it was written, but for its style and
for what the text said otherwise than it was read. On the packet plane it speaks the bench binding over standard input
and output, in virtual and in real time.

    opalink certify 'stdio:python tests/independent/macro_tube.py' --plane packet
"""

import hashlib
import os
import random
import select
import struct
import time
from contextlib import suppress
from pathlib import Path

# --- what the text gives as numbers --------------------------------------

MS = 1_000_000
NEVER = (1 << 64) - 1

BIND, PACKET, FLIT, CONTROL, CLOCK, LOG = range(6)  # RecordKind
L_NONE, L_SIDEBAND, L_LASER = range(3)  # Lane
PLANE_PACKET = 1
REAL, VIRTUAL = 1, 2  # ClockMode
DONE, UNSUPPORTED, FAILED = range(3)  # Outcome
RECORD_LIMIT = 65555
SIDEBAND_PACKET = 1024

# operations: the tag is the bit
OP_ATTACH, OP_DETACH, OP_LANE_DOWN, OP_LANE_UP = 1, 2, 3, 4
OP_RESET, OP_STATE, OP_VERSION, OP_STACK, OP_CONDITION = 5, 6, 7, 13, 14
OPERATIONS = sum(
    1 << b
    for b in (OP_ATTACH, OP_DETACH, OP_LANE_DOWN, OP_LANE_UP, OP_RESET, OP_STATE, OP_VERSION, OP_STACK, OP_CONDITION)
)

# status codes
OK, BUSY, CANCELLED, TIMEOUT, NO_MEMORY = 0x00, 0x02, 0x03, 0x04, 0x05
NOT_SUPPORTED, BAD_LENGTH, BAD_VALUE = 0x06, 0x07, 0x08
BAD_STATE, BAD_VERSION = 0x09, 0x0A
TOO_LARGE, NO_SUCH_ID, READ_ONLY, ADJUSTED = 0x0C, 0x0D, 0x0E, 0x0F
LINK_LOST_CODE = 0x10
NEEDS_SESSION, LATE, NO_TIME, RANGE_LIMIT = 0x32, 0x40, 0x41, 0x48
NOWHERE = 65535

# packet types
BEACON, COUNTERS_GET, HELLO, DESC_READ = 0x01, 0x07, 0x10, 0x11
DESC_CHANGED, STACK_REPORT, PROP_DESC, PROP_GET = 0x12, 0x13, 0x14, 0x15
PROP_SET, PROP_CHANGED, KEEPALIVE, PENDING = 0x16, 0x17, 0x18, 0x19
CANCEL, READY, FAULT_EVENT, RESET, EJECT = 0x1A, 0x1B, 0x1C, 0x1D, 0x1E
DETACH_NOTICE, STATE_GET = 0x20, 0x21
PWR_SOURCE_CAPS, PWR_SINK_CAPS, PWR_REQUEST, PWR_RESET = 0x40, 0x41, 0x42, 0x4A

CH_LINK, CH_RT, CH_POWER, CH_CONTROL, CH_EVENT, CH_META = 0, 1, 2, 3, 4, 5
CH_STREAM0, CH_BULK, CH_VENDOR = 8, 12, 15
CHANNEL = {}
for _vc, _types in (
    (CH_LINK, range(0x01, 0x0D)),
    (
        CH_CONTROL,
        (
            0x10,
            0x11,
            0x14,
            0x15,
            0x16,
            0x18,
            0x1A,
            0x1D,
            0x1E,
            0x21,
            0x30,
            0x31,
            0x33,
            0x34,
            0x36,
            0x37,
            0x60,
            0x61,
            0x62,
            0x63,
            0x64,
            0x65,
            0x66,
            0x67,
            0x73,
            0x74,
            0x77,
            0x78,
            0x80,
            0x82,
            0x85,
        ),
    ),
    (CH_EVENT, (0x12, 0x13, 0x17, 0x19, 0x1B, 0x1C, 0x1F, 0x20, 0x68, 0x81, 0x83, 0x84)),
    (CH_VENDOR, (0x2F,)),
    (CH_BULK, (0x35,)),
    (CH_POWER, range(0x40, 0x4C)),
    (CH_RT, range(0x50, 0x57)),
    (CH_META, (0x70, 0x72, 0x75, 0x76)),
    (CH_STREAM0, (0x71,)),
):
    for _t in _types:
        CHANNEL[_t] = _vc

# states of ATTACH and of POWER: the number is the position in the list
(DETACHED, BOOT, S_BEACON, S_HELLO, READY_BASIC, READY_FULL, DETACHING, LINK_LOST, FAULT) = range(9)
P_OFF, P_BOOT = 0, 1
M_ATTACH, M_POWER = 0, 2  # MachineId

ALL = frozenset((BOOT, S_BEACON, S_HELLO, READY_BASIC, READY_FULL, DETACHING, LINK_LOST, FAULT))
SESSION = frozenset((READY_BASIC, READY_FULL))
LEGAL = {
    BEACON: ALL - {FAULT},
    COUNTERS_GET: ALL,
    HELLO: ALL - {BOOT, FAULT},
    DESC_READ: SESSION,
    PROP_DESC: SESSION,
    PROP_GET: SESSION,
    PROP_SET: SESSION,
    KEEPALIVE: SESSION | {DETACHING},
    PENDING: ALL,
    CANCEL: ALL,
    FAULT_EVENT: ALL,
    RESET: ALL - {BOOT, DETACHING, LINK_LOST},
    EJECT: SESSION | {DETACHING},
    DETACH_NOTICE: ALL,
    STATE_GET: ALL,
    PWR_SOURCE_CAPS: SESSION | {DETACHING, LINK_LOST},
    PWR_SINK_CAPS: SESSION | {DETACHING},
    PWR_RESET: ALL,
}
REQUESTS = frozenset(
    (
        COUNTERS_GET,
        HELLO,
        DESC_READ,
        PROP_DESC,
        PROP_GET,
        PROP_SET,
        KEEPALIVE,
        CANCEL,
        RESET,
        EJECT,
        STATE_GET,
        PWR_SINK_CAPS,
    )
)
EVENTS = frozenset((BEACON, PENDING, FAULT_EVENT, DETACH_NOTICE, PWR_SOURCE_CAPS, PWR_RESET))

# timers, as a machine arms them
T_BEACON_AFTER_POWER = 100 * MS
T_RESTART_INTERVAL = 500 * MS
T_KEEPALIVE = 250 * MS
T_KEEPALIVE_LOSS = 1000 * MS
T_HOLDOVER = 2000 * MS
WAITS = {
    BOOT: ("boot",),
    S_BEACON: ("restart",),
    S_HELLO: ("restart",),
    READY_BASIC: ("alive", "loss"),
    READY_FULL: ("alive", "loss"),
    DETACHING: ("alive", "loss"),
    LINK_LOST: ("restart", "holdover"),
}

# counters of the chapters PACKET and SYSTEM
C_BAD_CRC, C_BAD_LENGTH, C_BAD_VALUE, C_BAD_STATE = 1, 2, 3, 4
C_BAD_VERSION, C_NOT_SUPPORTED, C_DUPLICATES, C_STRAY = 5, 6, 7, 8
C_UNANSWERED, C_SENT, C_RECEIVED = 9, 10, 11
C_RESTARTS, C_SESSIONS, C_RESUMES = 1537, 1538, 1539
COUNTERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1537, 1538, 1539)
COUNTED = {
    BAD_LENGTH: C_BAD_LENGTH,
    BAD_VALUE: C_BAD_VALUE,
    BAD_STATE: C_BAD_STATE,
    BAD_VERSION: C_BAD_VERSION,
    NOT_SUPPORTED: C_NOT_SUPPORTED,
}

FEATURE_STACK = 1 << 26
STACK_SEEN = 8  # how many elements it can see upon itself
STACK_GENERATION = 0x0602
OUTSTANDING_MAX = 32

# every property of the table: tag -> (layout, least, greatest, members)
PROPERTIES = {
    257: ("<Q", 1, None, None),
    258: ("<H", 1, None, None),
    259: ("<B", None, None, 3),
    260: ("<h", None, None, None),
    261: ("<B", None, None, 4),
    262: ("<I", 1, None, None),
    513: ("<H", 1, None, None),
    514: ("<B", None, None, 3),
    515: ("<H", None, None, None),
    516: ("<B", None, None, 2),
    769: ("<i", None, None, None),
    770: ("<B", None, None, 3),
    771: ("<h", None, None, None),
    772: ("<H", None, None, None),
    773: ("<I", 1, None, None),
    774: ("<H", 1, None, None),
    1025: ("<H", 1, None, None),
    1026: ("<B", None, None, 6),
    1027: ("<B", None, None, 2),
    1028: ("<B", None, 100, None),
    1281: ("<B", None, None, 4),
    1282: ("<H", 1, None, None),
    1297: ("<B", None, None, 4),
    1298: ("<I", None, None, None),
    1299: ("<B", None, 100, None),
    1537: ("<h", None, None, None),
    1538: ("<I", None, None, None),
    1539: ("<B", None, None, 3),
    1540: ("<q", None, None, None),
    1541: ("<I", None, None, None),
    1793: ("<H", None, 1000, None),
    1794: ("<B", None, None, 8),
    1795: ("<b", None, None, None),
    2049: ("<B", None, None, 2),
    2050: ("<B", None, None, 5),
}


# --- CRC-32C ---------------------------------------------------------------


def _table():
    rows = []
    for byte in range(256):
        n = byte
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        rows.append(n)
    return rows


_CRC = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


# --- bodies -----------------------------------------------------------------


class RefusedError(Exception):
    """A request that fails: status, and the offset of what was refused."""

    def __init__(self, status, at=NOWHERE):
        super().__init__(status, at)
        self.status = status
        self.at = at


def tlv(tag, value):
    return struct.pack("<HH", tag, len(value)) + value


def text8(text):
    data = text.encode()
    return bytes((len(data),)) + data


def read_tlvs(body, at):
    """(offset, tag, value) of each; refuses what is no whole TLVs."""
    found = []
    while at < len(body):
        if len(body) - at < 4:
            raise RefusedError(BAD_LENGTH, at)
        tag, size = struct.unpack_from("<HH", body, at)
        if len(body) - at - 4 < size:
            raise RefusedError(BAD_LENGTH, at)
        found.append((at, tag, body[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


class Reader:
    """Reads fields in wire order; members are asked about at the end."""

    def __init__(self, body):
        self.body = body
        self.at = 0
        self.unknown = None

    def number(self, layout, least=None, most=None, members=None):
        size = struct.calcsize(layout)
        here = self.at
        if len(self.body) - here < size:
            raise RefusedError(BAD_LENGTH, here)
        value = struct.unpack_from(layout, self.body, here)[0]
        self.at += size
        if least is not None and value < least:
            raise RefusedError(BAD_VALUE, here)
        if most is not None and value > most:
            raise RefusedError(BAD_VALUE, here)
        if members is not None and value not in members and self.unknown is None:
            self.unknown = here
        return value

    def count(self, least, most):
        return self.number("<B", least, most)

    def end(self):
        """Extensions, then members."""
        tlvs = read_tlvs(self.body, self.at)
        self.members()
        return tlvs

    def members(self):
        if self.unknown is not None:
            raise RefusedError(BAD_VALUE, self.unknown)


def descriptor():
    vendor = (151376).to_bytes(3, "little")
    identity = (
        vendor
        + struct.pack("<H", 3)
        + b"INDEPENDENT00003"
        + struct.pack("<HQH", 1, 1 << 48, 20465)
        + text8("Independent")
        + text8("Macro tube 12")
    )
    versions = bytes((3, 0, 1, 0, 1, 1, 0, 3, 1, 0))
    features = struct.pack("<Q", FEATURE_STACK) + text8("macro-tube")
    geometry = struct.pack("<HiiiIIIhhhhiii", 24, 0, 0, 6000, 60000, 60000, 12000, 32767, 0, 0, 0, 0, 0, 0)
    corners = ((-30000, -30000), (30000, -30000), (30000, 30000), (-30000, 30000))
    occlusion = bytes((1, 0, len(corners))) + b"".join(struct.pack("<ii", x, y) for x, y in corners)
    stack = struct.pack("<BihIB", 1, 12000, 0, 62, STACK_SEEN)
    power = struct.pack("<BHHIB", 0, 40, 5, 0, 1) + struct.pack("<BH", 1, 40)
    conformance = bytes(32) + text8("") + text8("macro-tube")
    return b"".join(
        (
            tlv(1, identity),
            tlv(2, versions),
            tlv(3, features),
            tlv(48, geometry),
            tlv(49, occlusion),
            tlv(50, stack),
            tlv(80, power),
            tlv(112, conformance),
        )
    )


DESCRIPTOR = descriptor()


def counted():
    return {c: [0, 0, 0] for c in COUNTERS}


# --- the module --------------------------------------------------------------


class Module:
    """The machines, and what each packet does."""

    def __init__(self, seed, epoch, emit):
        self.random = random.Random(seed) if seed else random.SystemRandom()
        self.emit = emit  # emit(time, packet)
        self.now = 0
        self.epoch = epoch
        self.counters = counted()
        self.contacts = False
        self.lanes_down = set()
        self.stack = 0
        self.stack_generation = 0
        self.state = DETACHED
        self.reason = OK
        self.entered = 0
        self.power = P_OFF
        self.power_entered = 0
        self.timers = {}
        self.sessions_given = set()
        self.session = 0
        self.phone_nonce = self.module_nonce = 0
        self.stored = {}
        self.own = {}
        self.next_txn = 1
        self.started = 0
        self.keepalives = 0
        self.nonce = 0
        self.stack_due = False
        self.conditions = set()
        self.busy_after = None

    # counters

    def count(self, which):
        row = self.counters[which]
        row[0] += 1
        row[2] = self.now
        if row[0] == 1:
            row[1] = self.now

    # lanes and sending

    def lane_up(self, lane):
        return lane == L_SIDEBAND and self.contacts and lane not in self.lanes_down

    def packet(self, kind, body, txn=0, rsp=0, status=0, vc=None, instance=0):
        if vc is None:
            vc = CHANNEL[kind]
        head = struct.pack("<BBBBHHQ", 0x10 | rsp << 3, kind, vc << 4 | instance, status, len(body), txn, self.now)
        data = head + body
        return data + struct.pack("<I", crc32c(data))

    def send(self, data):
        if self.lane_up(L_SIDEBAND):
            self.count(C_SENT)
            self.emit(self.now, data)
        if self.state in (READY_BASIC, READY_FULL, DETACHING):
            self.start("alive", T_KEEPALIVE)  # `sent`

    def event(self, kind, body):
        self.send(self.packet(kind, body))

    # timers and states

    def start(self, timer, span):
        self.timers[timer] = self.now + span

    def enter(self, state, reason=OK):
        if state != self.state:
            self.entered = self.now
            self.reason = reason
        self.state = state
        waits = WAITS.get(state, ())
        for timer in list(self.timers):
            if timer not in waits:
                del self.timers[timer]

    def enter_power(self, state):
        if state != self.power:
            self.power = state
            self.power_entered = self.now

    def next_due(self):
        return min(self.timers.values(), default=NEVER)

    def run(self, until):
        """All that is due up to `until`, in order of time."""
        while self.timers:
            timer = min(self.timers, key=lambda t: (self.timers[t], t))
            due = self.timers[timer]
            if due > until:
                break
            del self.timers[timer]
            self.now = max(self.now, due)
            self.runs_out(timer)
        self.now = max(self.now, until)

    def runs_out(self, timer):
        if timer == "boot" and self.state == BOOT:
            self.to_beacon()
        elif timer == "restart":
            self.beacon()
        elif timer == "alive" and self.session:
            self.keepalive()
        elif timer == "loss" and self.session:
            self.link_lost(LINK_LOST_CODE)
        elif timer == "holdover":
            self.end_session()
            self.to_beacon()

    # rows of ATTACH

    def beacon(self):
        self.event(BEACON, struct.pack("<BBBBBBBBhBQ", 1, 0, 1, 0, 0, 0, 4, 0, 0, 0, self.nonce))
        self.start("restart", T_RESTART_INTERVAL)

    def to_beacon(self):
        self.enter(S_BEACON)
        self.beacon()

    def boot(self):
        self.nonce = self.random.getrandbits(64)
        self.started = self.now
        self.keepalives = 0
        self.own.clear()
        self.sessions_given.clear()
        self.count(C_RESTARTS)
        self.enter(BOOT)
        self.start("boot", T_BEACON_AFTER_POWER)

    def power_on(self):
        self.enter_power(P_BOOT)
        self.boot()

    def power_off(self):
        self.end_session()
        self.stored.clear()
        self.enter(DETACHED)
        self.enter_power(P_OFF)

    def end_session(self):
        self.session = 0
        self.phone_nonce = self.module_nonce = 0
        self.stored.clear()
        self.own.clear()
        self.busy_after = None

    def link_lost(self, reason):
        self.enter(LINK_LOST, reason)
        self.start("holdover", T_HOLDOVER)
        self.start("restart", T_RESTART_INTERVAL)

    def keepalive(self):
        if not self.lane_up(L_SIDEBAND):
            self.start("alive", T_KEEPALIVE)
            return
        for txn, since in list(self.own.items()):
            if self.now - since >= T_KEEPALIVE_LOSS:
                del self.own[txn]
                self.count(C_UNANSWERED)
        txn = self.next_txn
        self.next_txn = self.next_txn % 65535 + 1
        self.keepalives = (self.keepalives + 1) & 0xFFFFFFFF
        self.own[txn] = self.now
        self.send(self.packet(KEEPALIVE, struct.pack("<IQI", self.keepalives, self.now - self.started, 0), txn=txn))

    def report_stack(self):
        self.stack_due = False
        rows = b"".join(
            struct.pack("<B", 1) + (0).to_bytes(3, "little") + struct.pack("<HBBihhB", 0, 0, 100, 12000, 0, 0, 0)
            for _ in range(self.stack)
        )
        self.event(STACK_REPORT, struct.pack("<IB", self.stack_generation, self.stack) + rows)

    def stack_changed(self, elements):
        if elements == self.stack:
            return
        self.stack = elements
        self.stack_generation = (self.stack_generation + 1) & 0xFFFFFFFF
        self.stack_due = True
        if self.state in SESSION:
            self.report_stack()
            self.event(PROP_CHANGED, b"\x04" + tlv(STACK_GENERATION, struct.pack("<I", self.stack_generation)))

    # a packet comes in

    def receive(self, lane, data):
        if not self.lane_up(lane):
            return
        if (
            len(data) < 20
            or len(data) != 20 + struct.unpack_from("<H", data, 4)[0]
            or crc32c(data[:-4]) != struct.unpack("<I", data[-4:])[0]
        ):
            self.count(C_BAD_CRC)
            return
        self.count(C_RECEIVED)
        if self.state in (READY_BASIC, READY_FULL, DETACHING):
            self.start("loss", T_KEEPALIVE_LOSS)  # `heard`
        first, kind, where, status, _size, txn, _t_ns = struct.unpack_from("<BBBBHHQ", data)
        body = data[16:-4]
        if first >> 3 & 1:
            self.response(first, kind, status, txn)
        elif txn:
            self.request(first, kind, where, txn, body)
        else:
            self.incoming_event(first, kind, where, body)

    def response(self, first, kind, status, txn):
        if first >> 4 != 1:
            self.count(C_BAD_VERSION)
            return
        if kind != KEEPALIVE or txn not in self.own:
            self.count(C_STRAY)
            return
        del self.own[txn]
        if status not in (OK, ADJUSTED) and self.session and self.state in (READY_BASIC, READY_FULL, DETACHING):
            self.link_lost(status)

    def incoming_event(self, first, kind, where, body):
        if first >> 4 != 1:
            self.count(C_BAD_VERSION)
            return
        if kind not in EVENTS or first & 2:
            self.count(C_NOT_SUPPORTED)
            return
        if where >> 4 != CHANNEL[kind]:
            self.count(C_BAD_VALUE)
            return
        if where & 15:
            return
        if self.state not in LEGAL[kind]:
            self.count(C_BAD_STATE)
            return
        try:
            self.check_event(kind, Reader(body))
        except RefusedError as refused:
            self.count(COUNTED[refused.status])
            return
        if kind == BEACON and self.state == DETACHING and not self.session:
            self.to_beacon()

    def check_event(self, kind, r):
        if kind == BEACON:
            for members in (None, None, range(2), None, None, None, range(6), range(3)):
                r.number("<B", members=members)
            r.number("<h")
            r.number("<B", members=range(7))
            r.number("<Q")
        elif kind == PENDING:
            r.number("<H", 1)
            r.number("<I")
            r.number("<B", 0, 100)
        elif kind == FAULT_EVENT:
            r.number("<H")
            r.number("<B", members=range(4))
            r.number("<B", members=range(19))
            r.number("<I", 1)
            for _ in range(3):
                r.number("<Q")
        elif kind == DETACH_NOTICE:
            r.number("<B", members=range(4))
            r.number("<H")
        elif kind == PWR_RESET:
            r.number("<B", members=range(2))
            r.number("<H")
        elif kind == PWR_SOURCE_CAPS:
            r.number("<B")
            r.number("<H")
            for _ in range(r.count(1, 7)):
                r.number("<B", members=range(3))
                r.number("<B")
                r.number("<H", 3000, 20000)
                r.number("<H", 3000, 20000)
                for _ in range(3):
                    r.number("<H")
        r.end()

    def request(self, first, kind, where, txn, body):
        answer = (first, kind, where, txn)
        if first >> 4 != 1:
            self.answer(answer, BAD_VERSION, keep=False)
            return
        if (txn, kind) in self.stored:
            self.count(C_DUPLICATES)
            self.send(self.stored[txn, kind])
            return
        try:
            if first & 2 or kind not in REQUESTS:
                raise RefusedError(NOT_SUPPORTED)
            if where >> 4 != CHANNEL[kind]:
                raise RefusedError(BAD_VALUE)
            if where & 15:
                raise RefusedError(NO_SUCH_ID)
            if self.state not in LEGAL[kind]:
                raise RefusedError(BAD_STATE)
            HANDLERS[kind](self, answer, Reader(body))
        except RefusedError as refused:
            self.answer(answer, refused.status, at=refused.at, keep=refused.status != BAD_VERSION)

    def answer(self, request, status, body=b"", at=NOWHERE, keep=True):
        _first, kind, where, txn = request
        if status not in (OK, ADJUSTED):
            if status in COUNTED:
                self.count(COUNTED[status])
            if kind == PWR_REQUEST:
                body = struct.pack("<BH", 0, 0)
            else:
                body = struct.pack("<HI", at, 10000 if status == BUSY else 0)
        data = self.packet(
            kind, body, txn=txn, rsp=1, status=status, vc=CHANNEL.get(kind, where >> 4), instance=where & 15
        )
        if keep:
            self.stored[txn, kind] = data
            while len(self.stored) > OUTSTANDING_MAX:
                del self.stored[next(iter(self.stored))]
        self.send(data)

    def forget_but(self, request):
        """Ends the session; keeps the response to what ended it."""
        key = request[3], request[1]
        kept = self.stored.get(key)
        self.end_session()
        if kept is not None:
            self.stored[key] = kept

    # requests, one by one

    def on_counters_get(self, req, r):
        groups = r.number("<I")
        r.end()
        rows = [struct.pack("<HQQQ", c, *self.counters[c]) for c in COUNTERS if groups >> (c >> 8) & 1]
        body = struct.pack("<IB", self.epoch, len(rows)) + b"".join(rows)
        if len(body) + 20 > SIDEBAND_PACKET:
            raise RefusedError(TOO_LARGE)
        self.answer(req, OK, body)

    def on_hello(self, req, r):
        low = r.number("<B"), r.number("<B")
        high = r.number("<B"), r.number("<B")
        r.number("<Q")
        phone_nonce = r.number("<Q")
        resume = r.number("<I")
        last_phone, last_module = r.number("<Q"), r.number("<Q")
        r.end()
        if not low <= (1, 0) <= high:
            raise RefusedError(BAD_VERSION, 0)
        if resume:
            if (
                not self.session
                or resume != self.session
                or last_phone != self.phone_nonce
                or last_module != self.module_nonce
            ):
                raise RefusedError(NEEDS_SESSION, 20)
            self.count(C_RESUMES)
        else:
            self.end_session()
            while True:
                session = self.random.getrandbits(32)
                if session and session not in self.sessions_given:
                    break
            self.sessions_given.add(session)
            self.session = session
            self.count(C_SESSIONS)
        self.phone_nonce = phone_nonce
        self.module_nonce = self.random.getrandbits(64)
        self.enter(READY_FULL)
        self.start("alive", T_KEEPALIVE)
        self.start("loss", T_KEEPALIVE_LOSS)
        self.answer(
            req,
            OK,
            struct.pack("<BBIQQI", 1, 0, self.session, self.module_nonce, FEATURE_STACK, len(DESCRIPTOR))
            + hashlib.sha256(DESCRIPTOR).digest()
            + bytes(8),
        )
        self.report_stack()

    def on_desc_read(self, req, r):
        wanted = r.number("<H", members=range(8))
        offset = r.number("<I")
        length = r.number("<H", 1, 4092)
        r.end()
        for status in (BUSY, NO_MEMORY, TIMEOUT):
            if status in self.conditions:
                if status == BUSY:
                    self.busy_after = req[3]
                raise RefusedError(status)
        if wanted != 0:
            raise RefusedError(NO_SUCH_ID, 0)
        if offset > len(DESCRIPTOR):
            raise RefusedError(RANGE_LIMIT, 2)
        part = DESCRIPTOR[offset : offset + min(length, SIDEBAND_PACKET - 24)]
        self.answer(req, OK, struct.pack("<I", len(DESCRIPTOR)) + part)

    def on_prop_desc(self, req, r):
        first = r.number("<H")
        r.number("<B", 1)
        r.end()
        if first > STACK_GENERATION:
            self.answer(req, OK, b"\0")
            return
        self.answer(
            req,
            OK,
            b"\1"
            + struct.pack("<HBBBbBqqqqB", STACK_GENERATION, 2, 0, 0, 0, 0, 0, 0xFFFFFFFF, 1, 0, 0)
            + text8("Stack generation"),
        )

    def on_prop_get(self, req, r):
        wanted = []
        for _ in range(r.count(1, 64)):
            at = r.at
            wanted.append((at, r.number("<H")))
        r.end()
        body = b""
        for at, tag in wanted:
            if tag != STACK_GENERATION:
                raise RefusedError(NO_SUCH_ID, at)
            body += tlv(tag, struct.pack("<I", self.stack_generation))
        self.answer(req, OK, body)

    def on_prop_set(self, req, r):
        apply = r.number("<B", members=range(3))
        when = r.number("<Q")
        group = r.number("<H")
        settings = []
        for at, tag, _value in read_settings(r):
            settings.append((at, tag))
        r.members()
        if apply == 2:
            raise RefusedError(LATE if when < self.now else NO_TIME, 1)
        if apply == 1:
            raise RefusedError(NO_SUCH_ID, 1)  # a frame that is not there
        results = b""
        for at, tag in settings:
            status = READ_ONLY if tag == STACK_GENERATION else NO_SUCH_ID
            if group and tag in PROPERTIES:
                raise RefusedError(status, at)
            results += struct.pack("<HB", tag, status)
        self.answer(req, OK, bytes((len(settings),)) + results)

    def on_keepalive(self, req, r):
        seq = r.number("<I")
        r.number("<Q")
        r.number("<I")
        r.end()
        if self.state == DETACHING and not self.session:
            raise RefusedError(BAD_STATE)
        self.answer(req, OK, struct.pack("<IQI", seq, self.now - self.started, 0))

    def on_cancel(self, _req, r):
        r.number("<H", 1)
        r.end()
        raise RefusedError(LATE, 0)  # what it answers, it answers at once

    def on_reset(self, req, r):
        level = r.number("<B", members=range(4))
        r.number("<B", members=range(4))
        r.end()
        if self.state == FAULT and level != 2:
            raise RefusedError(BAD_STATE)
        if level == 1:
            raise RefusedError(RANGE_LIMIT, 0)
        if level == 3 and self.state != READY_FULL:
            raise RefusedError(BAD_STATE)
        self.answer(req, OK)
        self.forget_but(req)
        if level == 0:
            self.to_beacon()
        else:
            self.boot()

    def on_eject(self, req, r):
        phase = r.number("<B", members=range(3))
        r.number("<H")
        r.end()
        if self.state in SESSION:
            if phase != 0:
                raise RefusedError(BAD_STATE)
            self.answer(req, OK, bytes(10))
            self.enter(DETACHING)
            return
        if not self.session:
            raise RefusedError(BAD_STATE)
        self.answer(req, OK, bytes(10))
        if phase == 1:
            self.forget_but(req)
        elif phase == 2:
            self.enter(READY_FULL)
            if self.stack_due:
                self.report_stack()

    def machines(self):
        return (
            b"\2"
            + struct.pack("<BBBQ", M_ATTACH, self.state, self.reason, self.entered)
            + struct.pack("<BBBQ", M_POWER, self.power, OK, self.power_entered)
        )

    def on_state_get(self, req, r):
        r.end()
        self.answer(req, OK, struct.pack("<I", 0) + self.machines() + b"\0")

    def on_pwr_sink_caps(self, req, r):
        r.end()
        self.answer(req, OK, struct.pack("<8H", 40, 40, 40, 40, 0, 40, 40, 10))

    # operations of the upper tester

    def operate(self, tag, value):
        r = Reader(value)
        if tag == OP_ATTACH:
            r.number("<B", 0, 100)
            r.end()
            if not self.contacts:
                self.contacts = True
                self.power_on()
        elif tag == OP_DETACH:
            r.end()
            if self.contacts:
                self.contacts = False
                self.power_off()
        elif tag in (OP_LANE_DOWN, OP_LANE_UP):
            lane = r.number("<B", members=(L_SIDEBAND,))
            r.end()
            if tag == OP_LANE_DOWN:
                self.lanes_down.add(lane)
            else:
                self.lanes_down.discard(lane)
        elif tag == OP_RESET:
            kind = r.number("<B", members=range(2))
            r.end()
            self.restart(kind)
        elif tag == OP_STATE:
            r.end()
            return tlv(OP_STATE, self.machines())
        elif tag == OP_VERSION:
            r.end()
            return tlv(OP_VERSION, IMAGE + text8("Macro tube 12") + text8("1.0"))
        elif tag == OP_STACK:
            elements = r.number("<B", 0, 8)
            r.end()
            self.stack_changed(elements)
        elif tag == OP_CONDITION:
            status = r.number("<B", members=(BUSY, NO_MEMORY, TIMEOUT))
            present = r.number("<B", 0, 1)
            r.end()
            self.condition(status, present)
        return b""

    def condition(self, status, present):
        """The memory of the identity chip: DESC_READ alone needs it."""
        if present:
            self.conditions.add(status)
            return
        self.conditions.discard(status)
        if status == BUSY and self.busy_after is not None:
            after, self.busy_after = self.busy_after, None
            if self.state in SESSION:  # subsystem 18: STACK
                self.event(READY, struct.pack("<IH", 1 << 18, after))

    def restart(self, kind):
        if kind == 1:
            self.epoch += 1
            self.counters = counted()
        if not self.contacts:
            return
        if kind == 1:
            self.power_off()
            self.power_on()
        else:
            self.end_session()
            self.boot()


def read_settings(r):
    """TLVs whose tags are properties: a known one is read by its layout."""
    tlvs = []
    body, at = r.body, r.at
    while at < len(body):
        if len(body) - at < 4:
            raise RefusedError(BAD_LENGTH, at)
        tag, size = struct.unpack_from("<HH", body, at)
        if len(body) - at - 4 < size:
            raise RefusedError(BAD_LENGTH, at)
        if tag in PROPERTIES:
            layout, least, most, members = PROPERTIES[tag]
            if struct.calcsize(layout) > size:
                raise RefusedError(BAD_LENGTH, at + 4)
            r.at = at + 4
            r.number(layout, least, most, None if members is None else range(members))
            if struct.calcsize(layout) < size:
                raise RefusedError(BAD_LENGTH, r.at)
        tlvs.append((at, tag, body[at + 4 : at + 4 + size]))
        at += 4 + size
    return tlvs


HANDLERS = {
    COUNTERS_GET: Module.on_counters_get,
    HELLO: Module.on_hello,
    DESC_READ: Module.on_desc_read,
    PROP_DESC: Module.on_prop_desc,
    PROP_GET: Module.on_prop_get,
    PROP_SET: Module.on_prop_set,
    KEEPALIVE: Module.on_keepalive,
    CANCEL: Module.on_cancel,
    RESET: Module.on_reset,
    EJECT: Module.on_eject,
    STATE_GET: Module.on_state_get,
    PWR_SINK_CAPS: Module.on_pwr_sink_caps,
}

IMAGE = hashlib.sha256(Path(__file__).read_bytes()).digest()


# --- the bench binding ---------------------------------------------------------


class Bench:
    def __init__(self):
        self.input = bytearray()
        self.module = None
        self.virtual = False
        self.queue = []
        self.zero = 0
        self.epoch = 0

    # records

    def write(self, kind, payload, lane=L_NONE, when=0):
        data = struct.pack("<IBBBBQ", len(payload), kind, lane, 1, 0, when) + payload
        while data:
            data = data[os.write(1, data) :]

    def emit(self, when, packet):
        if self.virtual:
            self.queue.append((when, packet))
        else:
            self.write(PACKET, packet, L_SIDEBAND, when)

    def flush(self):
        for when, packet in self.queue:
            self.write(PACKET, packet, L_SIDEBAND, when)
        self.queue.clear()

    def real_now(self):
        return time.monotonic_ns() - self.zero

    def time(self):
        return self.module.now if self.module else 0

    # what comes

    def bind(self, payload):
        self.module = None
        self.queue.clear()
        try:
            r = Reader(payload)
            r.number("<I", 0x4C41504F, 0x4C41504F)
            r.number("<B", 1)
            r.number("<B", members=range(3))
            planes, clocks = r.number("<B"), r.number("<B")
            r.number("<Q")
            seed = r.number("<Q")
            size = r.count(0, 64)
            for _ in range(size):
                r.number("<B")
            r.end()
        except RefusedError:
            planes = clocks = seed = 0
        planes &= 3
        clocks &= 3
        if planes == PLANE_PACKET and clocks in (REAL, VIRTUAL):
            self.virtual = clocks == VIRTUAL
            self.epoch += 1
            self.zero = time.monotonic_ns()
            self.module = Module(seed, self.epoch, self.emit)
        self.write(
            BIND,
            struct.pack("<IBBBBQQ", 0x4C41504F, 1, 1, PLANE_PACKET, REAL | VIRTUAL, OPERATIONS, 0)
            + text8("independent macro tube"),
            when=self.time(),
        )

    def control(self, payload):
        if len(payload) < 2:
            self.write(CONTROL, struct.pack("<HB", 0, FAILED), when=self.time())
            return
        seq = struct.unpack_from("<H", payload)[0]
        result, answer = DONE, b""
        try:
            tlvs = read_tlvs(payload, 2)
            if len(tlvs) != 1:
                raise RefusedError(BAD_VALUE)
            _, tag, value = tlvs[0]
            if tag > 63 or not OPERATIONS >> tag & 1:
                result = UNSUPPORTED
            else:
                answer = self.module.operate(tag, value)
                if not self.module.lane_up(L_SIDEBAND):
                    self.queue.clear()
        except RefusedError:
            result = FAILED
        self.write(CONTROL, struct.pack("<HB", seq, result) + answer, when=self.time())

    def clock(self, payload):
        try:
            r = Reader(payload)
            now = r.number("<Q")
            r.end()
        except RefusedError:
            return
        module = self.module
        module.run(max(now, module.now))
        self.flush()
        self.write(CLOCK, struct.pack("<QQ", module.now, module.next_due()), when=module.now)

    def record(self, kind, lane, payload):
        if kind == BIND:
            self.bind(payload)
            return
        if self.module is None:
            return
        if not self.virtual:
            self.module.run(self.real_now())
        if kind == PACKET:
            self.module.receive(lane, payload)
        elif kind == CONTROL:
            self.control(payload)
        elif kind == CLOCK and self.virtual:
            self.clock(payload)

    def take(self):
        """Every whole record that has come; False ends the connection."""
        while len(self.input) >= 16:
            size, kind, lane = struct.unpack_from("<IBB", self.input)
            if size > RECORD_LIMIT:
                return False
            if len(self.input) < 16 + size:
                break
            payload = bytes(self.input[16 : 16 + size])
            del self.input[: 16 + size]
            self.record(kind, lane, payload)
        return True

    def serve(self):
        while True:
            wait = None
            if self.module is not None and not self.virtual:
                self.module.run(self.real_now())
                due = self.module.next_due()
                if due != NEVER:
                    wait = max(0, due - self.real_now()) / 1e9
            if not select.select([0], [], [], wait)[0]:
                continue
            data = os.read(0, 1 << 16)
            if not data:
                return
            self.input += data
            if not self.take():
                return


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        Bench().serve()
