"""The command line, when an examination does not come to its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .sqlalchemy.doctor.commanding import ROOT, doctor


@pytest.mark.parametrize("error", ["LookupError('why')", "SystemExit(0)", "SystemExit(1)"])
def test_an_interrupted_examination_is_not_a_finding(tmp_path: Path, error: str) -> None:
    (tmp_path / "odd.py").write_text(f"def __getattr__(name):\n    raise {error}\n")
    status, out, err = doctor(tmp_path, "odd:Base")
    assert (status, out) == (2, "")
    assert error.partition("(")[0] in err
    assert err.endswith("tenantshield-mw: the error above ended the command early\n")


def test_without_sqlalchemy_it_says_what_to_install(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'sqlalchemy':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    status, out, err = doctor(
        tmp_path, "clean:Base", PYTHONPATH=os.pathsep.join((str(blocked), str(ROOT)))
    )
    assert (status, out) == (2, "")
    assert "pip install 'tenantshield-mw[sqlalchemy]'" in err
    assert doctor(tmp_path, "--help")[0] == 0
