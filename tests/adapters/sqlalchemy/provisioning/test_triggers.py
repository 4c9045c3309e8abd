"""Triggers at the target change nothing, and are as they were afterwards."""

from __future__ import annotations

import pytest

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows

from .estates import Estate
from .lived import follow, of_acme


def test_a_trigger_at_the_target_does_not_change_what_is_copied(
    built: tuple[Estate, Fleet], lived: Estate, both: tuple[Rows, Rows]
) -> None:
    lived.here.run(
        "CREATE FUNCTION acme.stamp() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.changed := 'stamped'; RETURN NEW; END $$",
        "CREATE TRIGGER stamp BEFORE UPDATE ON acme.life_person "
        "FOR EACH ROW EXECUTE FUNCTION acme.stamp()",
        "CREATE TRIGGER off BEFORE INSERT ON acme.life_person "
        "FOR EACH ROW EXECUTE FUNCTION acme.stamp()",
        "ALTER TABLE acme.life_person DISABLE TRIGGER off",
    )
    states = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    try:
        # Its foreign keys are written by an update.
        with pytest.raises(ConfigurationError, match="would hold other values"):
            follow(built, both)
        lived.here.run(
            "UPDATE life_person SET manager_id = NULL, team_id = NULL", "DELETE FROM life_team"
        )
        assert follow(built, both, "UPDATE life_person SET name = 'other' WHERE id = 1")
        assert of_acme(lived, "acme") == of_acme(lived, "public")
        assert lived.here.read(states) == [("off", "D"), ("stamp", "O")]
    finally:
        lived.here.run("DROP FUNCTION acme.stamp CASCADE")
