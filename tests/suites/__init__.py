"""The frameworks' own test suites, with the middleware around their applications.

``python -m tests.suites`` downloads the source distributions of the installed versions, runs
each suite bare and wrapped, and compares what became of each test.
"""
