"""One tenant per session, and what a session's own memory may answer."""
