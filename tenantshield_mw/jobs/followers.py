"""The tasks that Celery sends after a task, as the options of its message say.

https://docs.celeryq.dev/en/stable/internals/protocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tenantshield_mw.errors import MissingTenantContextError

__all__ = ["refuse_followers"]


def refuse_followers(options: Mapping[str, Any], needs_tenant: Callable[[str], bool]) -> None:
    """Refuse a task that is sent for no tenant if one that needs a tenant is to follow it.

    Args:
        options: those of the task, with the rest of its chain and what is linked to it.
        needs_tenant: returns whether it is known of a task, by its name, that it needs a tenant.

    Raises:
        MissingTenantContextError: one of them needs a tenant.
    """
    name = next(filter(needs_tenant, _names_after(options)), None)
    if name is not None:
        raise MissingTenantContextError(
            f"the job {name!r} works for a tenant, and would be enqueued after one without, for "
            "which none is in scope: start both inside tenant_scope(...), or declare the task with "
            'tenant=None or system="..."'
        )


def _names_after(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the tasks that are sent when a task with these options has succeeded.

    Those of ``link_error`` are not among them: Celery may call them instead of sending them.
    """
    for option in ("chain", "link", "chord"):
        for signature in _several(options.get(option)):
            yield from _names_in(signature)


def _names_in(signature: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the tasks of a signature, which may be a chain, a group or a chord."""
    name = str(signature["task"])
    # Celery's own tasks, such as celery.chain, stand for those among their arguments.
    if name.startswith("celery."):
        for given in (signature.get("kwargs") or {}).values():
            for inner in _several(given):
                yield from _names_in(inner)
    else:
        yield name
    yield from _names_after(signature.get("options") or {})


def _several(given: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the signatures in an option or argument: one, several, or none in anything else."""
    found = given if isinstance(given, list | tuple) else (given,)
    return (each for each in found if isinstance(each, Mapping) and "task" in each)
