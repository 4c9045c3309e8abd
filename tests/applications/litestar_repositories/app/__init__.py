"""Articles and comments of several magazines."""
