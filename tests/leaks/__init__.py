"""One catalogue of ways to reach another tenant's rows, and what comes of each.

``paths/`` holds the ways, ``legitimate/`` what must go on working, ``schema.py`` the
tables and their rows, ``arena.py`` what runs a way and judges it, ``protections/`` what
is put to the test. ``python -m tests.leaks`` prints the table.
"""
