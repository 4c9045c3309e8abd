"""Runs the command line as a module."""

from __future__ import annotations

import sys

from . import main

sys.exit(main())
