"""Adapters: one module or package per library.

Nothing is imported here, so that each adapter needs only its own library.
"""
