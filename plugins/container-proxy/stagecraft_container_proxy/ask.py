"""Read a URL on a host's loopback with what the host has: curl, wget, Python or bash; else with what the proxy's image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, ToolMissing
from stagecraft_hookspecs.values import Command

if TYPE_CHECKING:
    from stagecraft_container_proxy.keeper import Keeper

_NO_CLIENT = 127
_TIMEOUT = 15.0
#: Bash by itself: HTTP/1.0, so that the body is what follows the empty line until the end.
_BASH = """\
exec 3<>"/dev/tcp/$1/$2" || exit 7
printf 'GET %s HTTP/1.0\\r\\nHost: %s:%s\\r\\n\\r\\n' "$3" "$1" "$2" >&3
IFS= read -r -t 5 status <&3 || exit 28
while IFS= read -r -t 5 line <&3 && [ -n "${line%?}" ]; do :; done
cat <&3
case "$status" in *' 200 '*) ;; *) printf '%s\\n' "$status" >&2; exit 22 ;; esac
"""
#: Address, port and path are arguments, never a part of a script.
_SCRIPT = """\
url="http://$1:$2$3"
if command -v curl >/dev/null; then exec curl -fsS --noproxy '*' --max-time 5 -- "$url"; fi
if command -v wget >/dev/null; then exec wget -q -T 5 -Y off -O - "$url"; fi
if command -v python3 >/dev/null; then exec python3 -c '
import sys, urllib.request as u
print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=5).read().decode(), end="")' "$url"; fi
if command -v bash >/dev/null; then exec bash -c "$4" bash "$1" "$2" "$3"; fi
exit 127
"""


def get(keeper: Keeper, address: str, port: int, path: str) -> str:
    """Return what the proxy answers on an IPv4 address of the host's loopback.

    Raises:
        ProviderError: It does not answer, or not with a success.
        ToolMissing: Neither the host nor the proxy's image has an HTTP client.
    """
    argv = ("sh", "-c", _SCRIPT, "sh", address, str(port), path, _BASH)
    done = keeper.ctx.machine(keeper.host).run(Command(argv, timeout=_TIMEOUT), check=False)
    code, text, said = done.exit_code, done.stdout, done.stderr
    if code == _NO_CLIENT:
        code, text = keeper.run(*argv)
        said = text
    if code == _NO_CLIENT:
        raise ToolMissing(
            f"{keeper.host.name} has none of curl, wget, python3 and bash to ask the proxy with",
            hint=f"install curl on {keeper.host.name}",
        )
    if code:
        raise ProviderError(
            f"the proxy {keeper.names.container} on {keeper.host.name} does not answer",
            hint=f"see its log on the host: docker logs {keeper.names.container}",
            detail=said.strip(),
        )
    return text
