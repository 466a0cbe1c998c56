"""Say why a host cannot be reached, and what to do about it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import ProviderError, TimedOut

if TYPE_CHECKING:
    from stagecraft.remote.route import Route


def explain(error: Exception, route: Route) -> ProviderError:
    """Return the error for people that a failed connection means."""
    from paramiko import ChannelException, IncompatiblePeer
    from paramiko.ssh_exception import NoValidConnectionsError

    what = f"{route.name} ({route.where})"
    via = f" through {route.jumps[-1].name}" if route.jumps else ""
    if isinstance(error, NoValidConnectionsError):
        error = next(iter(error.errors.values()), error)
    if isinstance(error, socket.gaierror):
        return ProviderError(
            f"{what}: the name {route.address!r} is not known",
            hint="correct the host's `address`, or its HostName in the SSH configuration",
        )
    if isinstance(error, ChannelException):
        return ProviderError(
            f"{what} cannot be reached{via}: {error.text or 'the jump host refused'}",
            hint=f"check that {route.jumps[-1].name if route.jumps else 'the jump host'} reaches {route.address}:{route.port}",
        )
    if route.proxy_command:
        return ProviderError(
            f"{what}: its ProxyCommand {route.proxy_command!r} gave no connection: {str(error) or type(error).__name__}",
            hint="run it by hand, or correct it in the SSH configuration",
        )
    if isinstance(error, IncompatiblePeer):
        return ProviderError(
            f"{what} and Stagecraft have no SSH algorithm in common: {error}", hint="upgrade the host's SSH server"
        )
    if isinstance(error, TimeoutError) or "imeout" in str(error):
        return TimedOut(
            f"{what} did not answer within {route.timeout:g} seconds{via}",
            hint=f"check that the host is up and port {route.port} is open to this machine",
        )
    if isinstance(error, ConnectionRefusedError):
        return ProviderError(
            f"{what} refused the connection",
            hint=f"start the SSH server there, or correct the port ({route.port})",
        )
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN):
        return ProviderError(
            f"{what} cannot be reached: no route to it", hint="check this machine's network, VPN or the host's address"
        )
    return ProviderError(
        f"{what} ended the connection before login{via}: {str(error) or type(error).__name__}",
        hint="check the host's SSH server and its log; a firewall or `MaxStartups` may have dropped the connection",
    )


def about(error: ProviderError, where: str) -> ProviderError:
    """Return an error with words before its message that say where it happened."""
    return type(error)(f"{where}{error.message}", hint=error.hint, detail=error.detail)
