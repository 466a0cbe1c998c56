"""Put a constant load on web servers and count what is lost: ``Load(targets, rates).start()``, then ``.stop()``."""

from .model import KINDS, KindResult, Plan, Results, Target
from .runner import Load

__all__ = ["KINDS", "KindResult", "Load", "Plan", "Results", "Target"]
