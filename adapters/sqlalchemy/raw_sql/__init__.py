"""Raw SQL: which tables a text names, what it could reach, and what is refused."""
