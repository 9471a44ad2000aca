"""The C codec as a process: bytes in, outcomes out, by the batch, under the address and undefined-behaviour sanitizers.

A batch is its length, then requests: target, length, bytes. The answer is its length, then outcomes: length, bytes.
Each input lies alone in memory of its own size, so that a look beyond either end is seen.

Plan: compilers · the program · the process · outcomes.
"""

import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from opalink.protocol.errors import Fault
from opalink.protocol.generate.c import HEADER, SOURCE, files
from opalink.protocol.ir import model as ir
from tests.differential.c_reflection import body_source, c_source, targets

# ── Compilers ────────────────────────────────────────────────────────────────────────────────────────

CC = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WITHOUT = "no C compiler is installed"

# ── The program ──────────────────────────────────────────────────────────────────────────────────────

PROGRAM = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define abort() (fprintf(stderr, "gave up in line %d\\n", __LINE__), (abort)())
#define WRITTEN (1u << 20)
#define HEADER 16u
static uint8_t written[WRITTEN];
static char path[1024];
static uint8_t *reply;
static size_t replied, room_for;

static void *room(size_t n) { void *p = malloc(n); if (p == NULL) abort(); return p; }
static void release(void *p) { free(p); }
static void give(const void *p, size_t n)
{
    while (replied + n > room_for) {
        room_for = room_for ? 2 * room_for : 1u << 16;
        reply = realloc(reply, room_for);
        if (reply == NULL) abort();
    }
    if (n) memcpy(reply + replied, p, n);
    replied += n;
}
static void give_little(uint64_t x, unsigned n)
{
    uint8_t b[8];
    for (unsigned i = 0; i < n; i++) b[i] = (uint8_t)(x >> 8 * i);
    give(b, n);
}
static void give_number(uint64_t x) { give_little(x, 8); }
static void give_count(size_t x) { give_little(x, 4); }
static void give_tag(unsigned x) { give_little(x, 2); }
static void give_span(const uint8_t *p, size_t n) { give_count(n); give(p, n); }
static void accept(void) { give_little(0, 1); }
static void refuse(int fault, size_t at, const char *message, size_t n)
{
    size_t m = message ? strlen(message) : 0, dot = message && n;
    give_little((uint64_t)fault, 1);
    give_count(at);
    if (m) give(message, m);
    if (dot) give(".", 1);
    give(path, n);
}
static void check(const uint8_t *data, size_t size, size_t skip)
{
    if (size == SIZE_MAX || (size > skip && memcmp(written, data, size - skip) != 0)) {
        give("not the same bytes again", 24);
    }
}
static const uint8_t *taking, *taking_end;
static void begin_taking(const uint8_t *p, size_t n) { taking = p; taking_end = p + n; }
static const uint8_t *take(size_t n)
{
    const uint8_t *p = taking;
    if ((size_t)(taking_end - taking) < n) abort();
    taking += n;
    return p;
}
static uint64_t take_little(unsigned n)
{
    const uint8_t *p = take(n);
    uint64_t x = 0;
    while (n-- > 0) x = x << 8 | p[n];
    return x;
}
static uint64_t take_number(void) { return take_little(8); }
static uint32_t take_count(void) { return (uint32_t)take_little(4); }
"""

MAIN = """\
int main(void)
{
    uint8_t size[4];
    while (fread(size, 1, 4, stdin) == 4) {
        size_t n = size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
        uint8_t *batch = room(n), *p = batch, *end = batch + n;
        if (fread(batch, 1, n, stdin) != n) abort();
        replied = 0;
        while (p < end) {
            unsigned target = p[0] | (unsigned)p[1] << 8;
            size_t m = p[2] | (size_t)p[3] << 8 | (size_t)p[4] << 16 | (size_t)p[5] << 24;
            size_t begun = replied;
            uint8_t *alone = room(m);
            if (m) memcpy(alone, p + 6, m);
            give_count(0);
            target_of[target](alone, m);
            for (unsigned i = 0; i < 4; i++) reply[begun + i] = (uint8_t)((replied - begun - 4) >> 8 * i);
            release(alone);
            p += 6 + m;
        }
        release(batch);
        for (unsigned i = 0; i < 4; i++) size[i] = (uint8_t)(replied >> 8 * i);
        fwrite(size, 1, 4, stdout);
        fwrite(reply, 1, replied, stdout);
        fflush(stdout);
    }
    free(reply);
    return 0;
}
"""


def renamed(text: str, prefix: str) -> str:
    """C under another prefix than `opal_`, so that many codecs fit one program."""
    text = re.sub(r"\bopal_", f"{prefix}_", text)
    return re.sub(r"\bOPAL_(?!NAMES\b)", f"{prefix.upper()}_", text)


def program(codecs: Sequence[tuple[ir.Catalogue, dict[str, bytes]]], capacities: Sequence[str] = ()) -> str:
    """One program around one codec or many; the targets of the first come first."""
    parts = ["#define OPAL_NAMES", "#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>", PROGRAM]
    table: list[str] = []
    for i, (catalogue, made) in enumerate(codecs):
        prefix = f"opal{i}"
        source = made[SOURCE].decode().replace(f'#include "{HEADER}"', "")
        reflection = c_source(catalogue).replace(
            "static void opal_target_0(", f"{body_source(catalogue)}\nstatic void opal_target_0("
        )
        text = "\n".join([*(capacities[i : i + 1]), made[HEADER].decode(), source, reflection])
        parts.append(renamed(text, prefix))
        table += [f"{prefix}_target_{n}" for n in range(len(targets(catalogue)))]
    parts += [
        "static void (*const target_of[])(const uint8_t *, size_t) = {",
        *(f"    {x}," for x in table),
        "};",
        MAIN,
    ]
    return "\n".join(parts)


def build(text: str, folder: Path, flags: Sequence[str] = ("-O1", *SANITIZE)) -> Path:
    """Compile a program. Raises AssertionError with what the compiler says."""
    assert CC, WITHOUT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "driver.c").write_text(text, encoding="utf-8")
    command = [CC, "-std=c99", *flags, "-w", "-o", str(folder / "driver"), str(folder / "driver.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return folder / "driver"


def cached(text: str, flags: Sequence[str] = ("-O0", *SANITIZE)) -> Path:
    """The same, unless a program of this text was compiled before."""
    return stored("\0".join([text, *flags]), "driver", lambda folder: build(text, folder, flags))


def stored(key: str, name: str, make: Callable[[Path], object]) -> Path:
    """A file that is made in a folder, unless it was made of this key before."""
    place = Path(__file__).parents[2] / "out" / "cache" / "c" / hashlib.sha256(key.encode()).hexdigest()[:20]
    if not (place / name).exists():
        fresh = Path(tempfile.mkdtemp(dir=_made(place.parent)))
        make(fresh)
        try:
            fresh.rename(place)
        except OSError:  # somebody else was quicker
            shutil.rmtree(fresh)
    return place / name


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def real(catalogue: ir.Catalogue) -> str:
    """The program around the codec of the catalogue."""
    return program([(catalogue, files(catalogue))])


# ── The process ──────────────────────────────────────────────────────────────────────────────────────

Request = tuple[int, bytes]
_HEAD = struct.Struct("<HI")
_SIZE = struct.Struct("<I")


class Driver:
    """A running program; a context manager."""

    def __init__(self, executable: Path) -> None:
        environment = os.environ | {"ASAN_OPTIONS": "quarantine_size_mb=16:detect_leaks=1"}
        self.process = subprocess.Popen(
            [executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Raises AssertionError with what the sanitizers said, if anything."""
        if kind is not None:
            self.process.kill()
        _, said = self.process.communicate()
        if kind is not None:
            return  # what went wrong is told by who raised it
        assert self.process.returncode == 0, said.decode(errors="replace")[:4000]

    def send(self, requests: Iterable[Request]) -> None:
        """Start a batch; `receive` has to follow before the next."""
        assert self.process.stdin
        batch = b"".join([piece for target, data in requests for piece in (_HEAD.pack(target, len(data)), data)])
        try:
            self.process.stdin.write(_SIZE.pack(len(batch)) + batch)
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # what it died of is said when the outcomes are asked for

    def receive(self) -> list[bytes]:
        """The outcomes of a batch."""
        assert self.process.stdout
        head = self.process.stdout.read(4)
        if len(head) < 4:
            assert self.process.stderr
            raise AssertionError(self.process.stderr.read().decode(errors="replace")[:4000])
        data = self.process.stdout.read(_SIZE.unpack(head)[0])
        out, at = [], 0
        while at < len(data):
            (n,) = _SIZE.unpack_from(data, at)
            out.append(data[at + 4 : at + 4 + n])
            at += 4 + n
        return out

    def ask(self, requests: Sequence[Request]) -> list[bytes]:
        self.send(requests)
        return self.receive()


# ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────

# In the order of the header's enumeration.
FAULTS = {fault: bytes([i]) for i, fault in enumerate(Fault, 1)}
ROOM = 7


@dataclass(frozen=True)
class Said:
    """An outcome taken apart, for people."""

    outcome: bytes

    def __str__(self) -> str:
        if self.outcome[:1] == b"\0":
            return f"accepted {self.outcome[1:].hex()}"
        if self.outcome[:1] == b"?":
            return f"refused {self.outcome[1:].decode()}"
        fault = next((f for f, i in FAULTS.items() if i == self.outcome[:1]), f"fault {self.outcome[0]}")
        return f"{fault} {self.outcome[5:].decode(errors='replace')} at {_SIZE.unpack_from(self.outcome, 1)[0]}"


def refused(fault: Fault, path: str, offset: int) -> bytes:
    """The outcome of a refusal."""
    return FAULTS[fault] + _SIZE.pack(offset) + path.encode()
