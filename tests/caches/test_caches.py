"""A shared cache in front of a server serves each tenant's pages only to that tenant."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tenantshield_mw import TenantState
from tests.adapters.serving import code_of, under_uvicorn, under_werkzeug

from .origin import KINDS, Site, origin
from .proxies import CACHES, TENANT_OF_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


def state_of(tenant: object) -> TenantState | None:
    return None if tenant == "stranger" else TenantState.ACTIVE


SITES: Final[Mapping[str, Site]] = {
    **{kind: Site(kind) for kind in KINDS},
    **{f"{kind}-unvaried": Site(kind, arguments={"vary": ()}) for kind in KINDS},
    "by-language": Site(
        "header",
        fields=(("Vary", "Accept-Language"), ("vary", "x-tenant-id, accept-language")),
    ),
    "directory": Site("header", arguments={"directory": state_of}),
    "told": Site("header"),
    "told-and-keyed": Site("header"),
}


class Client:
    """Requests pages of a path from a cache that has not seen it before."""

    _paths = itertools.count()

    def __init__(self, client: httpx.AsyncClient, site: str) -> None:
        self._client = client
        self._path = f"/{site}/{next(self._paths)}"
        self._kind = SITES[site].kind

    async def get(self, tenant: str | None, **headers: str) -> httpx.Response:
        told = {} if tenant is None else KINDS[self._kind].headers(tenant)
        return await self._client.get(self._path, headers={**told, **headers})

    async def page(self, tenant: str | None, **headers: str) -> tuple[str, str]:
        """Return the page, and whether the cache reports a hit."""
        response = await self.get(tenant, **headers)
        assert response.status_code == 200, response.text
        return response.text, response.headers["X-Cache"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["asgi", "wsgi"])
async def server(request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    """Yield host and port of a server that serves all sites."""
    over_asgi, over_wsgi = origin(SITES)
    if request.param == "asgi":
        async with under_uvicorn(over_asgi) as address:
            yield address
    else:
        with under_werkzeug(over_wsgi) as address:
            yield address.removeprefix("http://")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=CACHES)
async def cache(
    request: pytest.FixtureRequest, server: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[str, httpx.AsyncClient]]:
    """Yield the name of a cache in front of the origin, and a client of it."""
    name: str = request.param
    start: Any = CACHES[name]
    async with AsyncExitStack() as stack:
        address = stack.enter_context(start(server, tmp_path_factory.mktemp(name)))
        client = httpx.AsyncClient(base_url=address, trust_env=False, timeout=20)
        yield name, await stack.enter_async_context(client)


Cache = tuple[str, httpx.AsyncClient]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_tenant_gets_its_own_page_and_then_gets_it_from_the_cache(
    cache: Cache, kind: str
) -> None:
    client = Client(cache[1], kind)
    made = {}
    for tenant in ("acme", "globex"):
        made[tenant], kept = await client.page(tenant)
        assert made[tenant].startswith(f"{tenant} page ")
        assert kept == "MISS"
    for tenant in ("acme", "globex", "globex", "acme"):
        assert await client.page(tenant) == (made[tenant], "HIT")


@pytest.mark.parametrize("kind", KINDS)
async def test_without_vary_another_tenant_would_get_the_page(cache: Cache, kind: str) -> None:
    client = Client(cache[1], f"{kind}-unvaried")
    made, _ = await client.page("acme")
    if cache[0] == "varnish" and kind.endswith("host"):
        # The cache key contains the requested host, regardless of Vary.
        assert (await client.page("globex"))[1] == "MISS"
    else:
        assert await client.page("globex") == (made, "HIT")


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_names_no_tenant_gets_no_kept_page_and_no_refusal_is_kept(
    cache: Cache, kind: str
) -> None:
    client = Client(cache[1], kind)
    for _ in range(2):
        refused = await client.get(None)
        assert (refused.status_code, code_of(refused)) == (400, "tenant_missing")
    made, _ = await client.page("acme")
    assert (await client.get(None)).status_code == 400
    assert await client.page("acme") == (made, "HIT")


async def test_the_refusal_of_a_tenant_that_is_not_known_is_not_kept(cache: Cache) -> None:
    client = Client(cache[1], "directory")
    for _ in range(2):
        refused = await client.get("stranger")
        # A status that caches may store without explicit freshness (RFC 9110 section 15.1).
        assert (refused.status_code, code_of(refused)) == (404, "tenant_unknown")
        assert refused.headers["X-Cache"] == "MISS"
    made, _ = await client.page("acme")
    assert (await client.get("stranger")).status_code == 404
    assert await client.page("acme") == (made, "HIT")


async def test_a_token_that_is_not_valid_gets_no_kept_page(cache: Cache) -> None:
    client = Client(cache[1], "token")
    token = KINDS["token"].headers("acme")["Authorization"]
    await client.page("acme")
    refused = await client.get(None, Authorization=f"{token[:-4]}AAAA")
    assert (refused.status_code, code_of(refused)) == (401, "tenant_unauthenticated")


async def test_vary_says_once_what_the_application_and_the_middleware_say(cache: Cache) -> None:
    client = Client(cache[1], "by-language")
    asked = [
        (tenant, {"Accept-Language": language})
        for tenant in ("acme", "globex")
        for language in ("de", "fr")
    ]
    made = []
    for tenant, headers in asked:
        response = await client.get(tenant, **headers)
        (vary,) = response.headers.get_list("Vary")
        members = [member.strip().lower() for member in vary.split(",")]
        assert sorted(set(members)) == ["accept-language", "x-tenant-id"]
        assert members.count("x-tenant-id") == 1
        assert response.headers["X-Cache"] == "MISS"
        assert response.text.startswith(f"{tenant} page ")
        made.append(response.text)
    assert len(set(made)) == len(asked)
    for (tenant, headers), page in zip(asked, made, strict=True):
        assert await client.page(tenant, **headers) == (page, "HIT")


@pytest.mark.parametrize("kind", ["header", "cookie", "host"])
async def test_tenants_who_ask_at_once_for_a_page_not_yet_kept_get_their_own(
    cache: Cache, kind: str
) -> None:
    client = Client(cache[1], kind)
    tenants = [f"{letter}-{number}" for number in range(8) for letter in "at"]
    asked = tenants * 4
    pages: list[tuple[str, str]] = []
    for _ in range(2):
        pages = await asyncio.gather(*(client.page(tenant) for tenant in asked))
        assert [text.partition(" ")[0] for text, _ in pages] == asked
    # Not all need be: of pages that come in at once, nginx may keep one in another's place.
    assert "HIT" in {kept for _, kept in pages}


async def test_a_cache_that_names_the_tenant_itself_keeps_pages_by_it(cache: Cache) -> None:
    client = Client(cache[1], "told-and-keyed")
    for kept in ("MISS", "HIT"):
        for key, tenant in TENANT_OF_KEY.items():
            page, had = await client.page(None, **{"X-Key": key})
            assert page.startswith(f"{tenant} page ")
            assert had == kept
    assert (await client.get("globex")).status_code == 400


async def test_nginx_has_to_be_told_to_since_vary_is_matched_with_what_the_client_sent(
    cache: Cache,
) -> None:
    client = Client(cache[1], "told")
    pages = [await client.page(None, **{"X-Key": key}) for key in TENANT_OF_KEY]
    if cache[0] == "nginx":
        assert pages[1] == (pages[0][0], "HIT")
    else:
        assert pages[1][1] == "MISS"
