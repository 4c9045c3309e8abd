"""What all the tests have in common."""

from __future__ import annotations

from hypothesis import settings

# An example that takes long on a busy machine is no failure.
settings.register_profile("tenantshield_mw", deadline=None)
settings.load_profile("tenantshield_mw")
