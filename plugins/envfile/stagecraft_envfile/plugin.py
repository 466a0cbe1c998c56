"""The entry point: tell the kernel of the secrets provider ``envfile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecraft_hookspecs import hookimpl

if TYPE_CHECKING:
    from stagecraft_envfile.secrets import EnvFile


@hookimpl
def stagecraft_secrets() -> type[EnvFile]:
    """Return the provider's class."""
    from stagecraft_envfile.secrets import EnvFile

    return EnvFile
