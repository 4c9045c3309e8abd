"""Checks signatures in the database: the schema with the keys and the functions that use them.

The functions run with the rights of their owner, who alone can read the keys. They use built-in
functions only, found by a search path that is fixed. See ``signing.py`` for what is signed.

https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import LargeBinary, Text, column, delete, insert, table
from sqlalchemy.engine import Connection

from tenantshield_mw.context import system_scope

from ..errors import ConfigurationError
from .functions import BOOLEAN, PREFIX, SETTINGS, Function, Nature
from .signing import KEY_LENGTH, START_LENGTH, stored_key
from .specification import TablePolicySpec
from .sql import require_postgresql

__all__ = [
    "KEYS",
    "SCHEMA",
    "SIGNATURE",
    "signed_function",
    "store_keys",
    "system_function",
    "verifier_functions_of",
    "verifier_statements",
]

SCHEMA: Final = "tenantshield"
"""The schema of the keys and the functions."""
KEYS: Final = "keys"
"""The table of the keys."""
SIGNATURE: Final = "tenantshield.signature"
"""The database setting with the signature of a transaction."""

_keys: Final[Any] = table(
    KEYS,
    column("name", Text),
    column("inner_pad", LargeBinary),
    column("outer_pad", LargeBinary),
    schema=SCHEMA,
)

_SEARCH_PATH: Final = "search_path=pg_catalog, pg_temp"

WINDOW: Final = 10
"""How many seconds the start of a transaction may differ from the one that was signed."""

# No backslash: whether it escapes is a setting of the session, and then the value is an error.
# What was sent is hashed once more before it is compared, so that the time that a comparison
# takes says nothing about the right signature. Only what is signed is read as a number.
_CHECK: Final = f"""
  SELECT keys.inner_pad, keys.outer_pad INTO pads FROM {SCHEMA}.{KEYS} AS keys
    WHERE keys.name = left(given, {KEY_LENGTH});
  start := substr(given, {KEY_LENGTH + 1}, {START_LENGTH});
  valid := sha256(convert_to(encode(sha256(pads.outer_pad || sha256(pads.inner_pad
    || decode('{{signed}}00', 'hex') || int4send(pg_backend_pid())
    || convert_to(start || current_database(), 'UTF8') || decode('00', 'hex')
    || convert_to(session_user, 'UTF8') || decode('00', 'hex')
    || convert_to(current_setting('role'), 'UTF8')
    || decode('00', 'hex'){{claimed}})), 'hex'), 'UTF8'))
    = sha256(convert_to(substr(given, {KEY_LENGTH + START_LENGTH + 1}), 'UTF8'));
  IF valid THEN
    valid := abs(date_part('epoch', now()) - start::float8 / 1000000) <= {WINDOW};
  END IF;"""

_DECLARE: Final = f"""
DECLARE
  given text := current_setting('{SIGNATURE}', true);
  start text;
  pads record;
  valid boolean;"""

_SETTINGS: Final = "".join(
    f"\n  of_{kind} text := coalesce(current_setting('{name}', true), '');"
    for kind, name in SETTINGS.items()
)
_NOBODY: Final = " AND ".join(f"of_{kind} = ''" for kind in SETTINGS)
_CLAIMED: Final = " || decode('00', 'hex')".join(
    f"\n    || convert_to(of_{kind}, 'UTF8')" for kind in SETTINGS
)

_TENANT: Final = f"""{_DECLARE}{_SETTINGS}
BEGIN
  IF {_NOBODY} THEN
    RETURN true;
  END IF;{_CHECK.format(signed=b"tenant".hex(), claimed=_CLAIMED)}
  RETURN CASE WHEN valid THEN true END;
END
"""

# Unlike the other it is asked also in a tenant's scope, whose signature is for something else.
_SYSTEM: Final = f"""{_DECLARE}
BEGIN
  IF given IS NULL OR given = '' THEN
    RETURN false;
  END IF;{_CHECK.format(signed=b"system".hex(), claimed="")}
  RETURN coalesce(valid, false);
END
"""


def signed_function() -> Function:
    """Return the function that says whether no tenant is named, or one that is signed.

    It returns ``NULL`` otherwise. An error would tell an attacker something: PostgreSQL may
    evaluate a condition of his own first, and ask for the signature only if some row fits, whoever
    it belongs to.
    """
    return _function(f"{PREFIX}signed", _TENANT)


def system_function() -> Function:
    """Return the function that says whether the transaction is in a signed system scope."""
    return _function(f"{PREFIX}system", _SYSTEM)


def _function(name: str, body: str) -> Function:
    # PARALLEL RESTRICTED: a parallel worker is another process than the one that was signed for.
    definition = (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{name}() RETURNS boolean LANGUAGE plpgsql STABLE "
        "PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS "
        f"$tenantshield${body}$tenantshield$"
    )
    nature = Nature(BOOLEAN, "s", "r", definer=True, settings=(_SEARCH_PATH,))
    return Function(SCHEMA, name, body, definition, nature)


def verifier_functions_of(spec: TablePolicySpec) -> list[Function]:
    """Return the functions with which the policies of one table check signatures."""
    if not spec.signed:
        return []
    return [signed_function(), *([] if spec.system_role is None else [system_function()])]


def verifier_statements(spec: TablePolicySpec) -> Iterator[str]:
    """Yield the statements that create what the policies of one table check signatures with.

    They can be run again, and keep the keys.
    """
    if not spec.signed:
        return
    # Somebody else who created the schema first could replace what is in it. CREATE SCHEMA IF
    # NOT EXISTS would require a privilege even where the schema exists.
    yield (
        "DO $tenantshield$ BEGIN "
        f"IF pg_catalog.to_regnamespace('{SCHEMA}') IS NULL THEN CREATE SCHEMA {SCHEMA}; END IF; "
        "IF NOT (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace "
        f"WHERE nspname = '{SCHEMA}') THEN RAISE insufficient_privilege USING "
        f"MESSAGE = 'the schema {SCHEMA} belongs to another role'; END IF; "
        "END $tenantshield$"
    )
    # So that enforce() can ask whether a signature is accepted.
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC"
    yield (
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{KEYS} "
        "(name text PRIMARY KEY, inner_pad bytea NOT NULL, outer_pad bytea NOT NULL)"
    )
    # Without a policy, nobody but its owner sees a row, even with a privilege that was granted
    # for all tables. Not forced, because the functions run as the owner.
    yield f"ALTER TABLE {SCHEMA}.{KEYS} ENABLE ROW LEVEL SECURITY"
    yield f"REVOKE ALL ON {SCHEMA}.{KEYS} FROM PUBLIC"
    for function in verifier_functions_of(spec):
        yield function.definition


def store_keys(connection: Connection, keys: Sequence[bytes]) -> None:
    """Store the keys with which tenants may be signed, and forget all others.

    To replace a key, store the new one beside the old one, let all processes sign with the new
    one, then store the new one alone::

        rls.store_keys(connection, [new, old])
        rls.store_keys(connection, [new])  # when no process signs with the old one any more

    Args:
        connection: a connection to PostgreSQL as the owner of the policies, after
            ``create_policies`` for tables whose tenants are signed. The keys are sent as bound
            parameters; a server that logs the parameters of statements logs them.
        keys: the secrets, each of at least 32 bytes. Empty to let no tenant in.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or a key is too short.
    """
    require_postgresql(connection)
    given: object = keys
    if isinstance(given, bytes):
        raise ConfigurationError("store_keys() takes a list of keys: store_keys(connection, [key])")
    stored = [stored_key(each) for each in keys]
    rows = [
        {"name": each.name, "inner_pad": each.inner, "outer_pad": each.outer} for each in stored
    ]
    with system_scope("keys for signing tenants"):
        connection.execute(delete(_keys))
        if rows:
            connection.execute(insert(_keys), rows)
