"""nginx and Varnish, each started as the current user, in a separate folder."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

__all__ = ["CACHES", "REQUIRE_SERVERS", "TENANT_OF_KEY"]

REQUIRE_SERVERS: Final = "TENANTSHIELD_REQUIRE_SERVERS"
"""Where this is set in the environment, a cache that is not installed fails the tests."""

TENANT_OF_KEY: Final = {"key-of-acme": "acme", "key-of-globex": "globex"}
"""Which tenant a cache says that a request is for, below ``/told/`` and ``/told-and-keyed/``,
by the request's ``X-Key``."""

_DEADLINE: Final = 60.0
"""How long a cache may take to come up, in seconds."""


def _require(program: str, package: str) -> str:
    # Debian installs servers in a folder that is not on every user's path.
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        reason = f"no {program}: install Debian's package {package}"
        if os.environ.get(REQUIRE_SERVERS):
            pytest.fail(f"{reason} ({REQUIRE_SERVERS} is set)")
        pytest.skip(reason)
    return found


@contextmanager
def _running(
    command: list[str], log: Path, *sockets: socket.socket
) -> Generator[subprocess.Popen[bytes]]:
    descriptors = [each.fileno() for each in sockets]
    environ = {**os.environ, "NGINX": "".join(f"{each};" for each in descriptors)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=output, env=environ, pass_fds=descriptors
        ) as process,
    ):
        # From here on only the process holds the sockets, and they close if it does not start.
        for each in sockets:
            each.close()
        try:
            yield process
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()


# All that is said of caching is what its manual begins with; what its pages are kept by, the
# key, is as it comes (https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_cache_key).
_NGINX: Final = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache levels=1:2 keys_zone=pages:1m max_size=16m;
    map $http_x_key $tenant {{ default ""; {tenants} }}
    server {{
        listen 127.0.0.1:{port};
        proxy_cache pages;
        proxy_cache_valid any 1m;
        proxy_set_header Host $host;
        add_header X-Cache $upstream_cache_status always;
        location / {{ proxy_pass http://{origin}; }}
        location /forwarded-host {{
            proxy_pass http://{origin};
            proxy_set_header Host $proxy_host;
            proxy_set_header X-Forwarded-Host $host;
        }}
        location /told/ {{
            proxy_pass http://{origin};
            proxy_set_header Host $host;
            proxy_set_header X-Tenant-ID $tenant;
        }}
        location /told-and-keyed/ {{
            proxy_pass http://{origin};
            proxy_set_header Host $host;
            proxy_set_header X-Tenant-ID $tenant;
            proxy_cache_key $scheme$proxy_host$request_uri$tenant;
        }}
    }}
}}
"""


@contextmanager
def _nginx(origin: str, folder: Path) -> Generator[str]:
    program = _require("nginx", "nginx")
    # Passed on as in an upgrade of nginx, the socket listens before nginx has started.
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listening.getsockname()[1]
    values = {
        # Its workers would switch to a user that may not write to the folder.
        "user": "" if os.geteuid() else "user root;",
        "tenants": " ".join(f"{key} {tenant};" for key, tenant in TENANT_OF_KEY.items()),
    }
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port, origin=origin, **values))
    command = [program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    with _running(command, folder / "log", listening):
        yield f"http://127.0.0.1:{port}"


# Cookies and credentials make the built-in rules go past the cache. Where tenants are told
# by them, people have Varnish keep the pages all the same, and rely on Vary.
_VARNISH: Final = """
vcl 4.1;
backend default {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_recv {{
    if (req.url ~ "^/forwarded-host") {{ set req.http.X-Forwarded-Host = req.http.Host; }}
    if (req.url ~ "^/told") {{
        unset req.http.X-Tenant-ID;
        {tenants}
    }}
    if (req.method == "GET") {{ return (hash); }}
}}
sub vcl_deliver {{
    set resp.http.X-Cache = "MISS";
    if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }}
}}
"""


@contextmanager
def _varnish(origin: str, folder: Path) -> Generator[str]:
    program = _require("varnishd", "varnish")
    administer = _require("varnishadm", "varnish")
    host, _, port = origin.partition(":")
    tenants = " ".join(
        f'if (req.http.X-Key == "{key}") {{ set req.http.X-Tenant-ID = "{tenant}"; }}'
        for key, tenant in TENANT_OF_KEY.items()
    )
    configuration = folder / "pages.vcl"
    configuration.write_text(_VARNISH.format(host=host, port=port, tenants=tenants))
    log = folder / "log"
    command = [
        *(program, "-F", "-j", "none", "-n", str(folder / "varnish"), "-s", "malloc,16m"),
        *("-a", "127.0.0.1:0", "-f", str(configuration)),
    ]
    with _running(command, log) as process:
        asking = [administer, "-n", str(folder / "varnish"), "-t", "60", "debug.listen_address"]
        until = time.monotonic() + _DEADLINE
        # It may report success before it listens.
        while not (found := re.search(r"^\S+ 127\.0\.0\.1 ([1-9]\d*)$", _output(asking), re.M)):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
        yield f"http://127.0.0.1:{found[1]}"


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


CACHES: Final[Mapping[str, Callable[[str, Path], object]]] = {
    "nginx": _nginx,
    "varnish": _varnish,
}
"""Each takes the origin's host and port and an empty folder, and is a context manager that
yields the cache's address."""
