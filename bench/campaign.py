"""How long the whole corpus takes: the plan cert against the four-thirds module in another process, over TCP."""

import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from typing import Final

from tests.realtime import served

PROFILE: Final = "four-thirds"
LIMIT: Final = 180.0  # seconds


def seconds() -> float:
    """Processor time of both processes, which is no less than what passes meanwhile where nothing else runs: one works
    while the other waits. Raises CalledProcessError where the module is not found conformant."""
    before = _children()
    with TemporaryDirectory() as folder, served(PROFILE) as uri:
        command = [sys.executable, "-m", "opalink", "certify", uri, "--plan", "cert", "--out", str(Path(folder))]
        subprocess.run(command, check=True, capture_output=True)
    return _children() - before


def _children() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
