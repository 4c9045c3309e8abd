"""Benchmarks of the package's overhead, measured side by side. ``make bench`` runs them all."""
