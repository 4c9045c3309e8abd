"""Does a test fail when the guard has a hole? Run with ``python -m tests.mutation``."""
