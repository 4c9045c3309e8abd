"""The transaction that is begun here has the options that the application set."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tenantshield_mw import tenant_scope

from .conftest import Client, by_cursor

KIND = (
    "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), "
    "current_setting('transaction_deferrable'), current_setting('tenantshield.text')"
)


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("is_read_only", [True, False])
@pytest.mark.parametrize("is_deferrable", [True, False])
def test_a_transaction_is_of_the_kind_that_was_asked_for(
    client: Client, level: str, *, is_read_only: bool, is_deferrable: bool
) -> None:
    options: dict[str, Any] = {
        "isolation_level": level,
        "postgresql_readonly": is_read_only,
        "postgresql_deferrable": is_deferrable,
    }

    def run(session: Session) -> list[tuple[Any, ...]]:
        session.connection(execution_options=options)
        return by_cursor(session, KIND)

    with tenant_scope("acme"):
        assert client.session(run) == [
            (
                level.lower(),
                "on" if is_read_only else "off",
                "on" if is_deferrable else "off",
                "acme",
            )
        ]
        # And the next transaction on the same connection has the defaults.
        assert client.session(lambda s: by_cursor(s, KIND)) == [
            ("read committed", "off", "off", "acme")
        ]
