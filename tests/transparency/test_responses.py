"""With the middleware, the same request gets the same response, except for ``Vary``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from .forms import FORMS
from .servers import Servers
from .subjects import CASES, GUNICORN, Case, make
from .wire import Address, Answer, Wire, answers, without_vary

Said = tuple[list[Answer], bytes | None]


@pytest.fixture(scope="module")
def said() -> Iterator[Callable[[str, str, str, str], Said]]:
    """Return the response to a form. Servers are started once, and a bare app is called once."""
    servers = Servers()

    @cache
    def address(app: str, server: str, how: str) -> Address:
        if server == "gunicorn":
            return servers.gunicorn(GUNICORN.format(app=app, how=how))
        serve: Callable[[Any], Address] = getattr(servers, server)
        return serve(make(app, how))

    @cache
    def ask(app: str, server: str, how: str, form: str) -> Said:
        wire = Wire(address(app, server, how))
        try:
            noted = FORMS[form].talk(wire)
        finally:
            wire.close()
        return answers(wire.read, [*FORMS[form].methods]), noted

    try:
        yield ask
    finally:
        servers.close()


def vary_of(bare: list[bytes]) -> list[bytes]:
    """Return the merged ``Vary`` of ``bare``, with the tenant's header."""
    members = [member.strip() for value in bare for member in value.split(b",")]
    return [b"*"] if b"*" in members else [b", ".join([*members, b"X-Tenant-ID"])]


def is_interim(answer: Answer) -> bool:
    return b" 1" in answer.status[:11]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_response_is_the_same_but_for_vary(
    case: Case, said: Callable[[str, str, str, str], Said]
) -> None:
    form = FORMS[case.form]
    if case.server == "granian":
        pytest.importorskip("granian", reason="granian is not installed")
    bare, noted_of_bare = said(case.app, case.server, "bare", case.form)
    ours, noted = said(case.app, case.server, case.how, case.form)
    assert [*map(without_vary, ours)] == [*map(without_vary, bare)]
    assert noted == noted_of_bare
    outside = form.by_the_server or case.is_answered_outside
    for one, other in zip(ours, bare, strict=True):
        assert one.vary == (other.vary if outside or is_interim(one) else vary_of(other.vary))
