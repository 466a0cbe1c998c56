"""The one way out: everything that is printed passes the sink, which scrubs every known secret."""

from stagecraft.output.scrub import Scrubber
from stagecraft.output.sink import Sink

__all__ = ["Scrubber", "Sink"]
