"""What numba, Python and matplotlib keep on disk is written under kills, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KILL_AT = """
import os, signal, sys

folder, number, count = sys.argv[1], int(sys.argv[2]), 0

def watch(deed, arguments):
    global count
    if deed not in {"open", "os.rename", "os.remove"} or not str(arguments[0]).startswith(folder):
        return
    if deed == "open" and not arguments[2] & os.O_CREAT:
        return
    if count == number:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1

sys.addaudithook(watch)
"""
COMPILED = """
from numba import njit

@njit(cache=True)
def total(n):
    found = 0
    for i in range(n):
        found += i
    return found
"""
CALL = "import compiled; print(compiled.total(10))"
DRAW = """
import histohet.drawing.style
from matplotlib.font_manager import findfont
print(findfont("DejaVu Sans"))
"""
NEVER = -1


def run(program: str, folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Run a program that is killed at one of the things it does to files in a folder."""
    return subprocess.run(
        [sys.executable, "-c", KILL_AT + program, str(folder), str(number)],
        cwd=folder,
        env=os.environ | {"MPLCONFIGDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compiled_code(tmp_path: Path) -> None:
    kills = 0
    while True:
        folder = tmp_path / str(kills)
        folder.mkdir()
        (folder / "compiled.py").write_text(COMPILED)
        killed = run(CALL, folder, kills)
        again = run(CALL, folder, NEVER)
        assert (again.returncode, again.stdout) == (0, "45\n"), again.stderr
        if killed.returncode == 0:
            break
        assert killed.returncode == -9
        kills += 1
    assert kills >= 4  # An index and a file of code, each opened and renamed.
    assert len(list(folder.glob("__pycache__/*.nb?"))) == 2


def test_list_of_fonts(tmp_path: Path) -> None:
    """matplotlib waits five seconds for a lock that was left, names it, and does without a list."""
    kills = 0
    while (killed := run(DRAW, tmp_path / str(kills), kills)).returncode != 0:
        assert killed.returncode == -9
        again = run(DRAW, tmp_path / str(kills), NEVER)
        assert again.returncode == 0, again.stderr
        assert again.stdout.endswith("DejaVuSans.ttf\n")
        kills += 1
    assert kills >= 3  # The lock, the list, the lock again.
