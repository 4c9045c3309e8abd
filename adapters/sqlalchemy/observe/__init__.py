"""Report mode: statements run as they were, and what the guard would have done is reported.

For an application that moves in: it tells which places must change before anything is enforced.
"""

from .observing import Observation, observe
from .reports import Report

__all__ = ["Observation", "Report", "observe"]
