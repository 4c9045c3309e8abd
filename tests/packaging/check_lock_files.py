"""Check that the lock files are complete: ``check_lock_files.py UV``.

What a lock file lists is installed without looking for what it needs, so it has to list all
of it, on each Python. ``UV`` is a uv that looks for it here instead: from the lock file, as
requirement and as constraint, it makes up its mind anew, and must find nothing to add. It takes
wheels alone, so a package without one for a Python is found, too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


def names(text: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))


def problems_of(lock_file: Path, python: str, uv: str) -> Iterator[str]:
    command = [uv, "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"]
    command += ["--only-binary", ":all:", "--python-version", python]
    command += [str(lock_file), "--constraint", str(lock_file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    where = f"{lock_file.name}, Python {python}"
    if found.returncode:
        yield f"{where}: {found.stderr.strip()}"
    elif missing := names(found.stdout) - names(lock_file.read_text()):
        yield f"{where}: lacks {', '.join(sorted(missing))}"


def main(uv: str) -> int:
    problems = [
        problem
        for lock_file in sorted(REQUIREMENTS.glob("*.txt"))
        for python in PYTHONS
        for problem in problems_of(lock_file, python, uv)
    ]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
