"""Mutants of the tasks that follow another one."""

from __future__ import annotations

from typing import Final

from ..mutant import Mutant

__all__ = ["MUTANTS"]

_FOLLOWERS: Final = "tests/core/jobs/test_followers.py"

MUTANTS: Final = (
    Mutant(
        "follower",
        "A task that needs a tenant follows one without.",
        (
            "    if name is not None:\n"
            "        raise MissingTenantContextError(\n"
            '            f"the job {name!r} works'
        ),
        (
            "    if False:\n"
            "        raise MissingTenantContextError(\n"
            '            f"the job {name!r} works'
        ),
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-chain",
        "Tasks of the option chain are not looked at.",
        'for option in ("chain", "link", "chord"):',
        'for option in ("link", "chord"):',
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-link",
        "Tasks of the option link are not looked at.",
        'for option in ("chain", "link", "chord"):',
        'for option in ("chain", "chord"):',
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-chord",
        "Tasks of the option chord are not looked at.",
        'for option in ("chain", "link", "chord"):',
        'for option in ("chain", "link"):',
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-within",
        "Tasks within a chain, group or chord are not looked at.",
        '    if name.startswith("celery."):',
        "    if False:",
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-after",
        "What follows a task that follows is not looked at.",
        '    yield from _names_after(signature.get("options") or {})\n',
        "",
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-several",
        "Only the only task of an option is looked at.",
        "    found = given if isinstance(given, list | tuple) else (given,)",
        "    found = (given,)",
        (_FOLLOWERS,),
    ),
    Mutant(
        "follower-other",
        "An argument that is no task is taken for one.",
        'if isinstance(each, Mapping) and "task" in each)',
        "if isinstance(each, Mapping))",
        (_FOLLOWERS,),
    ),
)
