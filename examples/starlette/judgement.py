"""Judge whether a request has reached the other tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import unescape
from typing import Final

from examples.invoices.attempts import Attempt
from examples.invoices.contents import Contents, Rows

from .caller import Caller

__all__ = ["Answer", "Verdict", "judge"]

_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class Answer:
    """The parts of an HTTP response that are judged."""

    status: int
    is_problem: bool
    """Whether the body is a problem detail (RFC 9457), which tells a refusal from a crash."""
    text: str


@dataclass
class Verdict:
    got: str
    """The result for the caller, in a few words."""
    crossed: list[str] = field(default_factory=list[str])
    """The other tenant's data that was seen, changed or referred to."""
    unexpected: list[str] = field(default_factory=list[str])
    """Everything else that is wrong."""

    @property
    def is_clean(self) -> bool:
        return not self.crossed and not self.unexpected


def judge(attempt: Attempt, caller: Caller, answer: Answer, after: Contents) -> Verdict:
    """Return the verdict on one request.

    Args:
        attempt: the request.
        caller: its sender, with the contents of the database before the request.
        answer: the response.
        after: the contents of the database after the request.
    """
    before, me, other = caller.contents, caller.tenant_id, caller.other_id
    text = unescape(answer.text)
    own = _seen(text, before, me)
    foreign = _seen(text, before, other)
    if attempt.tenants != "own":
        # A request that names no tenant, or two, may see no rows at all.
        foreign |= own
        own = set()
    changed = _changed(before.invoices_of(me), after.invoices_of(me))
    verdict = Verdict(
        _in_words(answer, len(own & _counted(attempt, before, me)), len(foreign), len(changed))
    )

    if foreign:
        verdict.crossed.append(f"saw {', '.join(sorted(foreign))}")
    touched = _changed(before.invoices_of(other), after.invoices_of(other))
    touched |= _changed(before.customers_of(other), after.customers_of(other))
    if touched:
        verdict.crossed.append(f"changed {other}'s rows: {_listed(touched)}")
    referring = after.crossed_references() - before.crossed_references()
    if referring:
        verdict.crossed.append(f"invoice {_listed(referring)} refers to another's customer")

    if answer.status != attempt.expected:
        verdict.unexpected.append(f"status {answer.status} instead of {attempt.expected}")
    elif answer.status >= 500 and not answer.is_problem:
        verdict.unexpected.append("the application crashed")
    missing = _counted(attempt, before, me) - own
    if attempt.shows is not None and missing:
        verdict.unexpected.append(f"did not see {', '.join(sorted(missing))}")
    if bool(changed) != attempt.changes:
        verdict.unexpected.append(f"own rows changed: {_listed(changed) or 'none'}")
    return verdict


def _seen(text: str, contents: Contents, tenant_id: str) -> set[str]:
    marks = contents.numbers_of(tenant_id) | contents.names_of(tenant_id)
    return {mark for mark in marks if mark in text}


def _counted(attempt: Attempt, contents: Contents, tenant_id: str) -> set[str]:
    if attempt.shows == "names":
        return contents.names_of(tenant_id)
    return contents.numbers_of(tenant_id)


def _changed(before: Rows, after: Rows) -> set[int]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _listed(ids: set[int]) -> str:
    return ", ".join(str(each) for each in sorted(ids))


def _in_words(answer: Answer, own: int, foreign: int, changed: int) -> str:
    words = [str(answer.status)]
    if answer.is_problem:
        words[0] += " refused"
    elif answer.status == _NOT_FOUND:
        words[0] += " not found"
    elif answer.status >= 500:
        words[0] += " crashed"
    if own:
        words.append(f"{own} own")
    if foreign:
        words.append(f"{foreign} FOREIGN")
    if changed:
        words.append(f"{changed} changed")
    return ", ".join(words)
