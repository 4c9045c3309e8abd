"""The site: it builds, its reference is complete, its links lead somewhere, and its code runs."""
