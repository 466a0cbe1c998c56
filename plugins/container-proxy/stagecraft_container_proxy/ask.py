"""Read a URL on a host's loopback with what the host has: curl, wget or Python; else with what the proxy's image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, ToolMissing
from stagecraft_hookspecs.values import Command

if TYPE_CHECKING:
    from stagecraft_container_proxy.keeper import Keeper

_NO_CLIENT = 127
_TIMEOUT = 15.0
#: The URL is an argument, never a part of the script.
_SCRIPT = """\
if command -v curl >/dev/null; then exec curl -fsS --noproxy '*' --max-time 5 -- "$1"; fi
if command -v wget >/dev/null; then exec wget -q -T 5 -Y off -O - "$1"; fi
if command -v python3 >/dev/null; then exec python3 -c '
import sys, urllib.request as u
print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=5).read().decode(), end="")' "$1"; fi
exit 127
"""


def get(keeper: Keeper, url: str) -> str:
    """Return what the proxy answers at ``url``.

    Raises:
        ProviderError: It does not answer, or not with a success.
        ToolMissing: Neither the host nor the proxy's image has an HTTP client.
    """
    argv = ("sh", "-c", _SCRIPT, "sh", url)
    done = keeper.ctx.machine(keeper.host).run(Command(argv, timeout=_TIMEOUT), check=False)
    code, text, said = done.exit_code, done.stdout, done.stderr
    if code == _NO_CLIENT:
        code, text = keeper.run(*argv)
        said = text
    if code == _NO_CLIENT:
        raise ToolMissing(
            f"{keeper.host.name} has neither curl nor wget nor python3 to ask the proxy with",
            hint=f"install curl on {keeper.host.name}",
        )
    if code:
        raise ProviderError(
            f"the proxy {keeper.names.container} on {keeper.host.name} does not answer",
            hint=f"see its log on the host: docker logs {keeper.names.container}",
            detail=said.strip(),
        )
    return text
