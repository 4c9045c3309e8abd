"""Looks up tenants in a table, and invalidates a directory when the table changes."""
