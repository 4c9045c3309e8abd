"""What the site is made with, besides Sphinx: ``docs/conf.py`` loads it."""
