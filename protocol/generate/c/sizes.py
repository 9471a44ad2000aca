"""What the C codec costs a firmware: code and read-only data of each profile's codec, by the real cross compiler.

    python -m opalink.protocol.generate.c.sizes docs/c99-sizes.md

The table is made where Debian's gcc-arm-none-eabi is installed, and checked in; it says which compiler it is of.
A firmware that links with --gc-sections pays for what it calls alone.

Plan: measuring · the table · the budget.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from opalink.protocol.generate.c import SOURCE, files, of_profile
from opalink.protocol.ir import model as ir

CROSS, SIZE = "arm-none-eabi-gcc", "arm-none-eabi-size"
CORES = {"Cortex-M0+": "cortex-m0plus", "Cortex-M4": "cortex-m4"}
FLAGS = ("-std=c99", "-Os", "-mthumb", "-ffreestanding", "-ffunction-sections", "-fdata-sections")
WHOLE = "all of OPAL"
BUDGET = {"": 96 * 1024, "macro-tube": 32 * 1024}  # of every codec the first; what a passive element has room for

# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────


def size(catalogue: ir.Catalogue, profile: str, core: str) -> int:
    """Bytes of code and read-only data. Raises CalledProcessError where the compiler refuses."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files(catalogue, profile).items():
            (Path(folder) / name).write_bytes(data)
        made = Path(folder) / "opal.o"
        command = [CROSS, *FLAGS, f"-mcpu={CORES[core]}", "-c", str(Path(folder) / SOURCE), "-o", str(made)]
        subprocess.run(command, check=True)
        told = subprocess.run([SIZE, made], check=True, capture_output=True, text=True).stdout
    code, values, zeros = (int(x) for x in told.splitlines()[1].split()[:3])
    if values or zeros:
        raise ValueError(f"The codec of {profile or WHOLE} has variables of {values + zeros} bytes; it must have none.")
    return code


def compiler() -> str:
    """Its name and version; nothing where there is none."""
    if not shutil.which(CROSS):
        return ""
    done = subprocess.run([CROSS, "-dumpfullversion"], check=True, capture_output=True, text=True)
    return f"{CROSS} {done.stdout.strip()}"


# ── The table ────────────────────────────────────────────────────────────────────────────────────────


def table(catalogue: ir.Catalogue) -> str:
    """The table as Markdown."""
    lines = ["# Size of the C codec", ""]
    lines += [f"Bytes of code and read-only data of `{SOURCE}`, both directions, explanations of every refusal and"]
    lines += [f"CRC tables included; no variables. Made by {compiler()} with `{' '.join(FLAGS)}`."]
    lines += ["", f"| codec | packet types | layouts | {' | '.join(CORES)} |", "|---|--:|--:|" + "--:|" * len(CORES)]
    for profile in ("", *(p.name for p in catalogue.profiles)):
        part = of_profile(catalogue, profile) if profile else catalogue
        sizes = " | ".join(f"{size(catalogue, profile, core):,}" for core in CORES)
        lines.append(f"| {profile or WHOLE} | {len(part.packets)} | {len(part.layouts)} | {sizes} |")
    return "\n".join([*lines, ""])


# ── The budget ───────────────────────────────────────────────────────────────────────────────────────


def stated(text: str) -> dict[tuple[str, str], int]:
    """The sizes that a table states, by profile (nothing for the whole) and core."""
    found = {}
    for name, numbers in re.findall(r"^\| ([\w -]+?) \| \d+ \| \d+ \| ([\d, |]+) \|$", text, re.MULTILINE):
        for core, number in zip(CORES, numbers.split(" | "), strict=True):
            found["" if name == WHOLE else name, core] = int(number.replace(",", ""))
    return found


if __name__ == "__main__":
    from opalink.protocol.ir.load import catalogue

    Path(sys.argv[1]).write_text(table(catalogue()), encoding="utf-8")
