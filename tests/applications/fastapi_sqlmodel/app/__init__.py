"""A small service for projects and tasks, used by many organizations."""
