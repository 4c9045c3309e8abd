"""docs/context.md, executed: each file prints what the block after it shows."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.guides import Reader, blocks_of

BLOCKS = blocks_of("context.md")
FILES = [
    (block, following if kind == "text" else "")
    for (language, block), (kind, following) in pairwise([*BLOCKS, ("", "")])
    if language == "python"
]


def name_of(block: str) -> str:
    return block.partition("\n")[0].removeprefix("# ")


def test_every_block_is_one_of_these() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "text"}
    assert [name_of(block) for block, _ in FILES] == [
        "with_cashews.py",
        "with_dogpile.py",
        "with_logging.py",
        "with_structlog.py",
        "with_opentelemetry.py",
        "with_comments.py",
        "with_prometheus.py",
    ]


@pytest.mark.parametrize(("block", "output"), FILES, ids=[name_of(block) for block, _ in FILES])
def test_the_page_is_true(block: str, output: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    printed = reader.python(reader.write(block))
    # SQLAlchemy logs how long it took.
    printed = re.sub(r"(?m)^(?:\d{4}-\d\d-\d\d .* INFO \S+ )", "", printed)
    assert re.sub(r"in \d\.\d+s", "in 0.00000s", printed) == output
