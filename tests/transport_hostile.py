"""A peer with one bad habit, over standard input and output; it needs nothing of ours.

python transport_hostile.py HABIT
"""

import os
import random
import sys
import time
from collections.abc import Callable

BIND = bytes.fromhex("1c000000000000000000000000000000") + b"OPAL" + bytes([1, 1, 1, 3]) + bytes(16) + b"\x03bad"
PACKET = (100).to_bytes(4, "little") + bytes([1, 2, 1]) + bytes(109)  # on the laser, which is down
JUNK = (65000).to_bytes(4, "little") + bytes([99]) + bytes(65011)  # of a kind that nobody knows, and may come


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def bound() -> None:
    """Answer the first BIND."""
    os.read(0, 65536)
    write(BIND)


def flood() -> None:
    bound()
    while True:
        write(JUNK)


def flood_before() -> None:
    while True:
        write(bytes([0xAA]) * 65536)


def stall() -> None:
    bound()
    write((5000).to_bytes(4, "little") + bytes([1]) + bytes(100))
    time.sleep(60)


def huge() -> None:
    bound()
    write(b"\xff\xff\xff\xff" + bytes(65536))
    time.sleep(60)


def close() -> None:
    bound()
    write(PACKET[:57])


def close_at_once() -> None:
    pass


def noise() -> None:
    os.read(0, 65536)
    write(random.Random(1).randbytes(4096))
    time.sleep(60)


def text() -> None:
    os.read(0, 65536)
    write(b"Booting v1.2\r\n" + BIND)
    time.sleep(60)


def silence() -> None:
    time.sleep(60)


def deaf() -> None:
    """Answers and then never reads again."""
    bound()
    time.sleep(60)


def chatter() -> None:
    """Megabytes of text where its log goes, before the answer and after it."""
    os.read(0, 65536)
    for _ in range(64):
        os.write(2, b"a line of the log\n" * 4096)
    write(BIND)
    while True:
        os.write(2, b"a line of the log\n" * 4096)


def die() -> None:
    bound()
    os.write(2, b"assertion failed\n")
    os.abort()


HABITS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        flood, flood_before, stall, huge, close, close_at_once, noise, text, silence, deaf, chatter, die,
    )
}  # fmt: skip

if __name__ == "__main__":
    HABITS[sys.argv[1]]()
