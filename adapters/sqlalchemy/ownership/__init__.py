"""Which tables hold tenants' rows, and how each row is assigned to a tenant."""
