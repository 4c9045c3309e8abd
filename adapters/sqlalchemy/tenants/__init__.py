"""The tenants themselves: looked up in a table, and forgotten when that changes."""
