"""The kernel: discover plugins by entry point, load them by need, look providers up by name."""

from stagecraft.kernel.catalog import Catalog, Plugin, scan
from stagecraft.kernel.kernel import Kernel, Provided
from stagecraft.kernel.kinds import KINDS
from stagecraft.kernel.refusals import Broken

__all__ = ["KINDS", "Broken", "Catalog", "Kernel", "Plugin", "Provided", "scan"]
