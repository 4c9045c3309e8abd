"""The way of one request through the application, as HTML that the server renders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from .recording import SQL, Recording, Statement

__all__ = ["Trace", "section", "trace_html"]

_SECTION: Final = Path(__file__).parent / "page" / "follow.html"
_TOKEN: Final = re.compile(r"\s+|[(),=?]|[^\s(),=?]+")
_NO_SQL: Final = '<p class="nothing">No SQL was written or sent.</p>'


@dataclass(frozen=True)
class Trace:
    """One request, and what became of it.

    Args:
        line: its method and path.
        senders: the tenants that it named, each in its own header.
        recording: what was recorded on its way.
        status: the status of the response.
        problem: the problem detail (RFC 9457), if the request was refused.
        rows_in_answer: the number of rows in the response.
        rows_in_table: the number of rows in the table, of all tenants.
    """

    line: str
    senders: Sequence[str]
    recording: Recording
    status: int
    problem: Mapping[str, Any] | None
    rows_in_answer: int
    rows_in_table: int


def section(
    requests: Iterable[str], senders: Iterable[str], chosen: tuple[str, str], trace: Trace
) -> str:
    """Return the part of the page in which a request and its sender are chosen.

    Args:
        requests: the names of the requests.
        senders: the names of the senders.
        chosen: one of each.
        trace: what became of that request.
    """
    request, sender = chosen
    return Template(_SECTION.read_text(encoding="utf-8")).substitute(
        requests=_options(requests, request),
        senders=_options(senders, sender),
        trace=trace_html(trace),
    )


def _options(names: Iterable[str], chosen: str) -> str:
    return "\n".join(
        f"<option{' selected' if each == chosen else ''}>{escape(each)}</option>" for each in names
    )


def trace_html(trace: Trace) -> str:
    """Return the drawing of the way, and each statement as it was written and as it was sent."""
    steps = "\n".join(
        f'<li class="{state}"><h3>{name}</h3><p>{text}</p></li>'
        for name, state, text in _steps(trace)
    )
    statements = "\n".join(_statement(each) for each in trace.recording.statements)
    return f'<ol id="way">\n{steps}\n</ol>\n{statements or _NO_SQL}'


def _steps(trace: Trace) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the state and the HTML of each step."""
    stopped = _stopped_at(trace)
    texts = {
        "Server": _request(trace),
        "Middleware": _tenant(trace),
        "Scope": "bound for this request" if trace.recording.tenant_id else "nothing is bound",
        "Session": "sees this tenant's rows" if trace.recording.tenant_id else "sees no rows",
        "Statement": _sent(trace.recording.statements),
        "Rows": _rows(trace),
    }
    state = "passed"
    for name, text in texts.items():
        if name == stopped:
            yield name, "stopped", _refusal(trace)
            state = "skipped"
        else:
            yield name, state, text if state == "passed" else "not reached"


def _stopped_at(trace: Trace) -> str | None:
    if trace.problem is None:
        return None
    if not trace.recording.has_arrived:
        return "Middleware"
    # The session refuses an object before there is any statement.
    is_sent = all(each.sent for each in trace.recording.statements)
    return "Session" if is_sent else "Statement"


def _request(trace: Trace) -> str:
    headers = [f"X-Tenant-ID: {each}" for each in trace.senders] or ["no X-Tenant-ID"]
    return "<br>".join(f"<code>{escape(each)}</code>" for each in (trace.line, *headers))


def _tenant(trace: Trace) -> str:
    if trace.recording.tenant_id is None:
        return "the path is exempt: no tenant"
    return f"the resolver found <b>{escape(trace.recording.tenant_id)}</b>"


def _sent(statements: Sequence[Statement]) -> str:
    own = sum(each.written is None for each in statements)
    sent = f"{len(statements)} sent"
    return f"{sent}, {own} of them the guard's own" if own else sent


def _rows(trace: Trace) -> str:
    last = trace.recording.last
    if last is None:
        return f"{trace.status}, and no rows"
    verb, rows = ("wrote", last.changed) if last.writes else ("read", trace.rows_in_answer)
    squares = "■" * rows + "□" * (trace.rows_in_table - rows)
    return (
        f"{trace.status}: {verb} {rows} of the {trace.rows_in_table} rows in "
        f'{escape(str(last.table))} <span class="squares" aria-hidden="true">{squares}</span>'
    )


def _refusal(trace: Trace) -> str:
    problem = trace.problem or {}
    return f"refused: {trace.status} {escape(problem['code'])}<br>{escape(problem['detail'])}"


def _statement(statement: Statement) -> str:
    if statement.written is None:
        written = '<p class="nothing">Nothing: the guard checks the foreign key.</p>'
    else:
        written = f"<pre><code>{escape(statement.written.text)}</code></pre>"
    if statement.sent is None:
        sent = '<p class="nothing">Not sent: the guard refused it.</p>'
    else:
        sent = _sent_html(statement.written or SQL(""), statement.sent, statement.parameters)
    return f"""<div class="sql">
<div><h3>The code wrote</h3>{written}</div>
<div><h3>The database got</h3>{sent}</div>
</div>"""


def _sent_html(written: SQL, sent: SQL, parameters: Sequence[object]) -> str:
    """Return what was sent; what the guard has added is in ``<ins>``."""
    remaining = iter(parameters)
    html: list[str] = []
    values: list[str] = []
    for token, is_added in _compared(_tokens(written), _tokens(sent)):
        if token.startswith("?"):
            values.append(_marked(repr(next(remaining)), is_added))
        html.append(_marked("?" if token.startswith("?") else token, is_added))
    text = "".join(html).replace("</ins><ins>", "")
    with_values = f"<p>with <code>{', '.join(values)}</code></p>" if values else ""
    return f"<pre><code>{text}</code></pre>{with_values}"


def _marked(text: str, is_added: bool) -> str:
    return f"<ins>{escape(text)}</ins>" if is_added else escape(text)


def _tokens(sql: SQL) -> list[str]:
    """Return the words of a statement, and each ``?`` with its name, to tell them apart."""
    names = iter(sql.names)
    return [f"?{next(names)}" if each == "?" else each for each in _TOKEN.findall(sql.text)]


def _compared(written: list[str], sent: list[str]) -> Iterator[tuple[str, bool]]:
    matcher = SequenceMatcher(None, written, sent, autojunk=False)
    for operation, _, _, start, end in matcher.get_opcodes():
        for token in sent[start:end]:
            yield token, operation != "equal"
