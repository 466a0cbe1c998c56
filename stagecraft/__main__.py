"""The ``stagecraft`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        # the commonest question of scripts needs nothing but this
        from stagecraft import __version__

        try:
            print(f"stagecraft {__version__}", flush=True)
        except (OSError, AttributeError):
            pass  # nobody reads, or no space is left: what follows knows how to say so
        else:
            return 0
    import gc

    # a command lives for a moment and what it imports for as long; whatever runs longer switches collection on again
    gc.disable()
    from stagecraft.cli.main import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
