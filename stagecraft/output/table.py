"""Tables for people, drawn by rich."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence

_WIDE = 160


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> str:
    """Return rows under headers as aligned columns; on a terminal cells wrap to its width, elsewhere nothing wraps.

    Args:
        color: Whether it goes to a terminal that shows colour; cells may then hold rich's markup.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if color else "")
    for header in headers:
        grid.add_column(header, overflow="fold", no_wrap=not color)
    for row in rows:
        grid.add_row(*(cell if color else Text.from_markup(cell).plain for cell in row))
    width = (
        shutil.get_terminal_size((100, 24)).columns
        if color
        else max(_WIDE, *(sum(map(len, r)) + 3 * len(r) for r in rows))
    )
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=color, no_color=not color, highlight=False).print(grid)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
