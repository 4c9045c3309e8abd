"""A Python whose threads inherit their creator's context is refused."""

from __future__ import annotations

import subprocess
import sys

# Python before 3.14 has no such option, so the test sets the flag in sys.flags.
IMPORT = """
import sys

if sys.version_info < (3, 14):
    class Flags:
        thread_inherit_context = int(sys.argv[1])

        def __getattr__(self, name):
            return getattr(flags, name)

    flags, sys.flags = sys.flags, Flags()
import tenantshield_mw
"""


def importing(inherit: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", f"thread_inherit_context={inherit}", "-c", IMPORT]
    return subprocess.run([*command, str(inherit)], capture_output=True, text=True, check=False)


def test_the_package_does_not_start_where_threads_inherit_the_context() -> None:
    done = importing(1)
    assert done.returncode != 0
    assert "ConfigurationError" in done.stderr
    assert "PYTHON_THREAD_INHERIT_CONTEXT=0" in done.stderr


def test_the_package_starts_where_threads_do_not_inherit_the_context() -> None:
    done = importing(0)
    assert (done.returncode, done.stderr) == (0, "")
