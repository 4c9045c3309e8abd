"""Adapters: one module or package for each library that the core is fitted to.

Nothing is imported here, so that an adapter asks for its own library alone.
"""
