"""The sweep: as one tenant, request every operation with the ids of another one's rows.

The steps are a generator that neither calls the application nor awaits: one for sync and async.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from tenantshield_mw.errors import ConfigurationError

from .operations import Operation
from .requests import PARAMETER, Answer, Request, filled
from .routes import Unknown

__all__ = ["Caller", "Finding", "Kind", "Plan", "Step", "findings_of"]

Kind: TypeAlias = Literal["read", "changed", "accepted", "differs", "failed", "unreached"]
"""How a finding is about an operation:

- ``read``: the answer has what only the owner's rows have;
- ``changed``: what ``watch`` returns is another than before;
- ``accepted``: one that writes took the owner's ids, and there is no ``watch`` to judge it by;
- ``differs``: the answer is another where the owner has no rows;
- ``failed``: the application raised an error or answered with a status of 500 or more;
- ``unreached``: the request was refused for another reason than the ids, had none of them and
  found nothing, or could not be made; or its own tenant is refused, or sent elsewhere.
"""


@dataclass(frozen=True)
class Caller:
    """One tenant's side.

    Args:
        headers: what each of its requests has, such as its credentials.
        ids: the ids of its rows, by the names of the parameters and fields that take them.
        marks: texts that its rows have and no other tenant's; best letters and digits, at least
            eight of them. Those of both tenants must be in an answer to them.
        prefix: what its paths begin with, where the tenant is named by the path.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    marks: Collection[str] = ()
    prefix: str = ""


class Finding(NamedTuple):
    """Something that the sweep has found.

    Attributes:
        kind: see :data:`Kind`.
        operation: as in ``GET /invoices/{invoice_id}``.
        request: what was sent, if anything was.
        detail: what was wrong with the answer.
    """

    kind: Kind
    operation: str
    request: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.operation}: {self.detail} ({self.request or 'not requested'})"


class Step(NamedTuple):
    """What is to be done next: to send the request, and where; or to call ``watch``."""

    do: Literal["call", "compare", "watch"]
    request: Request


@dataclass(frozen=True)
class Plan:
    """What is swept.

    Args:
        operations: what is requested, in this order.
        owner: whose rows are tried to be reached.
        intruder: who requests them.
        unknown: parts of the application that cannot be requested.
        watches: whether steps ``watch`` are answered.
        compares: whether steps ``compare`` are answered.
        controls: whether each tenant first reads its own rows.
        allow: findings that were reviewed, as ``kind METHOD path``, with ``*`` for any text.
        skip: operations that are not requested, as ``METHOD path``.
    """

    operations: Sequence[Operation]
    owner: Caller
    intruder: Caller
    unknown: Sequence[Unknown] = ()
    watches: bool = False
    compares: bool = False
    controls: bool = True
    allow: Collection[str] = ()
    skip: Collection[str] = ()


# Validation and routing refuse with these before the application looks for a row. A client that is
# not logged in never gets there, either.
_NOT_REACHED: Final = frozenset({400, 401, 405, 406, 407, 411, 413, 415, 421, 422, 429, 307, 308})
# Who is not logged in is often sent elsewhere to do that. That the owner is, its marks tell.
_WORKS_BELOW: Final = {"owner": 400, "intruder": 300}
_UNSEEN: Final = {
    "owner": "so the sweep could not notice it in an answer to the intruder: correct the marks, or "
    "the owner's headers and ids",
    "intruder": "so it may not be logged in, and be refused everything for that: correct the "
    "marks, or the intruder's headers and ids",
}
_LOGGED_OUT: Final = frozenset({401, 403})
_SKIP_IT: Final = (
    ": an operation may have logged it out, so that those after it were not judged; give skip= "
    "with that one"
)
# There is no such row; without an id of the owner's, that says nothing of the owner's rows.
_NOT_THERE: Final = frozenset({404, 410})
# The same values are made up each time, and a unique column takes them once.
_TAKEN: Final = (
    ": if it has made-up values that an earlier request has written, empty the database first, or "
    "give operations=[Operation(method, path, body={...})] with values that are new each time"
)
_WATCHED: Final = (
    "watch= must return the owner's rows as plain values that are equal if nothing has changed, "
    "such as a list of tuples"
)
_READS: Final = frozenset({"GET", "QUERY"})
_NOTHING_TO_SEND: Final = Request("", "")
_DISTINCT: Final = 8
"""From how many characters on an id tells whose it is."""


def findings_of(plan: Plan) -> Generator[Step, Any, list[Finding]]:
    """Go through a plan, and return what is found.

    Raises:
        ConfigurationError: the sweep could not find anything: there is no operation, no answer to
            one of the two has its mark, or what ``watch`` returns cannot be compared; or nothing
            matches an entry of ``allow`` or ``skip``.
    """
    operations = [each for each in plan.operations if not _matches(str(each), plan.skip)]
    unknown = [each for each in plan.unknown if not _matches(each.name, plan.skip)]
    if not operations:
        raise ConfigurationError(
            "the application has no operations that the sweep knows of: give it operations=, or "
            "document= with an OpenAPI document"
        )
    found = [Finding("unreached", each.name, "", each.reason) for each in unknown]
    works: list[Operation] = []
    if plan.controls:
        refused = yield from _as_themselves(plan, operations)
        not_working = {each.operation for each in refused}
        works = [each for each in operations if str(each) not in not_working]
        found += refused
    before = (yield from _watched()) if plan.watches else None
    for operation in operations:
        if missing := _missing(operation, plan.owner):
            found.append(_without_ids(operation, missing))
            continue
        for request, sent in _requests(operation, plan.owner, plan.intruder):
            answer = yield Step("call", request)
            judged = list(_judged(plan, operation, request, sent, answer))
            if plan.compares and _shown(answer) != _shown((yield Step("compare", request))):
                judged.append(_finding("differs", operation, request, "without the owner's rows"))
            if plan.watches and (now := (yield from _watched())) != before:
                judged.append(_finding("changed", operation, request, "what watch returns changed"))
                before = now
            found += judged
    found += yield from _in_the_end(works, plan.intruder)
    return _reviewed(plan, found)


def _as_themselves(
    plan: Plan, operations: Sequence[Operation]
) -> Generator[Step, Any, list[Finding]]:
    """Read as each tenant with its own ids, to see that the operations work, and that its marks
    can be found.
    """
    found: list[Finding] = []
    for who, caller in (("owner", plan.owner), ("intruder", plan.intruder)):
        unseen = set(caller.marks)
        for operation in _own_reads(operations, caller):
            answers = []
            for request, _ in _requests(operation, caller, caller):
                answers.append((yield Step("call", request)))
                unseen -= {mark for mark in unseen if answers[-1].carries(mark)}
            if min(each.status for each in answers) >= _WORKS_BELOW[who]:
                detail = f"the {who} itself gets {_refusal(answers[0])}"
                found.append(Finding("unreached", str(operation), "", detail))
        if unseen:
            marks = ", ".join(map(repr, sorted(unseen)))
            raise ConfigurationError(f"no answer to the {who} has {marks}, {_UNSEEN[who]}")
    return found


def _in_the_end(
    operations: Sequence[Operation], intruder: Caller
) -> Generator[Step, Any, list[Finding]]:
    """Read as the intruder again what it could read, to see that no operation has logged it out.
    Its rows may be gone by now.
    """
    found: list[Finding] = []
    for operation in _own_reads(operations, intruder):
        request, _ = next(_requests(operation, intruder, intruder))
        answer = yield Step("call", request)
        if 300 <= answer.status < 400 or answer.status in _LOGGED_OUT:
            detail = f"in the end, the intruder itself gets {_refusal(answer)}{_SKIP_IT}"
            found.append(_finding("unreached", operation, request, detail))
    return found


def _own_reads(operations: Sequence[Operation], caller: Caller) -> list[Operation]:
    """Return the operations with which a caller reads its own rows."""
    return [each for each in operations if each.method == "GET" and not _missing(each, caller)]


def _refusal(answer: Answer) -> str:
    location = next((value for name, value in answer.headers if name == "location"), "")
    return f"{answer.status} {f'to {location}' if location else answer.error or ''}".rstrip()


def _watched() -> Generator[Step, Any, Any]:
    """Return a copy of what ``watch`` returns: it may return the same object each time, and what
    has changed in that would have changed in what it is compared with.
    """
    watched = yield Step("watch", _NOTHING_TO_SEND)
    try:
        copied = deepcopy(watched)
    # Whatever an object of the application may raise.
    except Exception as error:
        raise ConfigurationError(f"{_WATCHED}; this cannot be copied: {error}") from error
    # A function is its own copy.
    if watched is None or callable(watched) or copied != watched:
        raise ConfigurationError(f"{_WATCHED}, not a {type(watched).__name__}")
    return copied


def _judged(
    plan: Plan, operation: Operation, request: Request, sent: Collection[str], answer: Answer
) -> Iterator[Finding]:
    marks = [*plan.owner.marks, *_telling_ids(plan, request)]
    for mark in marks:
        if answer.carries(mark):
            yield _finding("read", operation, request, f"{answer.status}, with {mark!r}")
            return
    if answer.status >= 500:
        detail = f"{answer.status} {answer.error or ''}".rstrip()
        if answer.error == "IntegrityError":
            detail += _TAKEN
        yield _finding("failed", operation, request, detail)
    elif answer.status in _NOT_REACHED:
        yield _finding("unreached", operation, request, f"{answer.status}")
    elif not sent and (request.query or request.body) and answer.status in _NOT_THERE:
        names = ", ".join(_places(operation))
        detail = f"{answer.status} to made-up values; if one is an id, give ids= with {names}"
        yield _finding("unreached", operation, request, detail)
    elif sent and not plan.watches and operation.method not in _READS and answer.status < 400:
        detail = f"{answer.status} to the owner's {', '.join(sorted(sent))}; give watch="
        yield _finding("accepted", operation, request, detail)


def _telling_ids(plan: Plan, request: Request) -> Iterator[str]:
    """Yield the owner's ids that the request does not have, if they are like no other's."""
    text = str(request)
    for values in plan.owner.ids.values():
        for value in map(str, (each for each in values if isinstance(each, str | UUID))):
            if len(value) >= _DISTINCT and value not in text:
                yield value


def _requests(
    operation: Operation, owner: Caller, intruder: Caller
) -> Iterator[tuple[Request, set[str]]]:
    """Yield requests with the owner's ids in one place and the intruder's in the others, and in
    all places; each with the names of the places that have the owner's.
    """
    used = [name for name in _places(operation) if name in owner.ids]
    own = {name for name in used if intruder.ids.get(name)}
    alone: list[set[str]] = [{name} for name in used if own >= {*used} - {name}]
    for places in alone if {*used} in alone else [*alone, {*used}]:
        for number in range(max((len(owner.ids[name]) for name in places), default=1)):
            ids = {
                name: _at((owner if name in places else intruder).ids[name], number)
                for name in used
            }
            yield _request(operation, ids, intruder), places


def _request(operation: Operation, ids: Mapping[str, Any], intruder: Caller) -> Request:
    return Request(
        operation.method,
        intruder.prefix + filled(operation.path, ids),
        _placed(operation.query, ids),
        _placed(operation.body, ids),
        operation.form,
        intruder.headers,
    )


def _places(operation: Operation) -> list[str]:
    names = [*PARAMETER.findall(operation.path), *_names(operation.query), *_names(operation.body)]
    return [*dict.fromkeys(names)]


def _names(value: Any) -> Iterator[str]:
    for name, each in value.items() if isinstance(value, Mapping) else ():
        yield name
        yield from _names(each)
    if isinstance(value, list):
        for each in value:
            yield from _names(each)


def _placed(value: Any, ids: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _like(each, ids[name]) if name in ids else _placed(each, ids)
            for name, each in value.items()
        }
    return [_placed(each, ids) for each in value] if isinstance(value, list) else value


def _like(example: Any, identifier: Any) -> Any:
    return [identifier] if isinstance(example, list) else identifier


def _missing(operation: Operation, owner: Caller) -> list[str]:
    return [name for name in PARAMETER.findall(operation.path) if not owner.ids.get(name)]


def _without_ids(operation: Operation, names: Sequence[str]) -> Finding:
    detail = f"the owner has no ids for {', '.join(names)}"
    return Finding("unreached", str(operation), "", detail)


def _shown(answer: Answer) -> tuple[Any, ...]:
    location = next((value for name, value in answer.headers if name == "location"), "")
    return answer.status, location, answer.body


def _finding(kind: Kind, operation: Operation, request: Request, detail: str) -> Finding:
    return Finding(kind, str(operation), str(request), detail)


def _at(ids: Sequence[Any], number: int) -> Any:
    return ids[number % len(ids)]


def _matches(text: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(text, _escaped(each)) for each in patterns)


def _escaped(pattern: str) -> str:
    # Of fnmatch's characters, only the asterisk is meant.
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _reviewed(plan: Plan, found: Sequence[Finding]) -> list[Finding]:
    named = {(f"{each.kind} {each.operation}") for each in found}
    everything = {*map(str, plan.operations), *(each.name for each in plan.unknown)}
    stale: list[str] = []
    for patterns, texts in ((plan.allow, named), (plan.skip, everything)):
        stale += [each for each in patterns if not any(_matches(text, [each]) for text in texts)]
    if stale:
        raise ConfigurationError(
            f"nothing matches {', '.join(map(repr, stale))} any more: remove it from allow= or "
            "skip= of the sweep"
        )
    return [each for each in found if not _matches(f"{each.kind} {each.operation}", plan.allow)]
