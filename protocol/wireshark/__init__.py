"""OPAL for Wireshark: one generated dissector in Lua, and where Wireshark looks for it.

Plan: the dissector · Wireshark's folder · installation.
"""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Final

NAME: Final = "opal.lua"


# ── The dissector ────────────────────────────────────────────────────────────────────────────────────


def dissector() -> bytes:
    """The dissector as it is installed: Lua for Wireshark 4.0 and later."""
    return files(__package__).joinpath(NAME).read_bytes()


# ── Wireshark's folder ───────────────────────────────────────────────────────────────────────────────


class WiresharkError(Exception):
    """Wireshark is missing, or does not say what it should; in one sentence."""


def personal_folder() -> Path:
    """Where Wireshark looks for a user's own Lua plug-ins. Raises WiresharkError."""
    program = shutil.which("tshark") or shutil.which("wireshark")
    if program is None:
        raise WiresharkError("Wireshark is not installed (Debian: apt-get install tshark wireshark).")
    try:
        told = subprocess.run([program, "-G", "folders"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise WiresharkError(f"{program} does not tell its folders: {error}.") from None
    for line in told.splitlines():
        name, _, folder = line.partition(":")
        if name.strip() == "Personal Lua Plugins" and folder.strip():
            return Path(folder.strip())
    raise WiresharkError(f"{program} has no folder for Lua plug-ins: it was built without Lua.")


# ── Installation ─────────────────────────────────────────────────────────────────────────────────────


def install(folder: Path | None = None) -> Path:
    """Put the dissector into a folder, Wireshark's own unless one is given, and say where it is now. Raises
    WiresharkError, and OSError where the folder cannot be written."""
    folder = folder or personal_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    path.write_bytes(dissector())
    return path
