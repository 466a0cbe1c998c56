"""A provider: secrets in a sealed file, which can be committed, and a key that stays outside of it.

Real projects take a real tool for this (age, sops, a vault). Here it is done with what Python brings, so that the example needs
nothing: the key stream is HMAC-SHA-256 in counter mode, a tag over name, nonce and text shows every change (encrypt-then-MAC).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs import hookimpl
from stagecraft_hookspecs.errors import NotFound, ProviderError, UserError
from stagecraft_hookspecs.secrets import SecretFacts, Secrets
from stagecraft_hookspecs.values import Change, Secret

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Project


@attrs.frozen
class SealedConfig:
    """Say where the sealed values and their key lie, relative to the project."""

    file: str = attrs.field(default="secrets.sealed.json", metadata={"help": "the sealed values; commit it"})
    key: str = attrs.field(default=".stagecraft/sealed.key", metadata={"help": "the key; never commit it"})


class Sealed(Secrets):
    """Keep secrets in a sealed file beside the project."""

    name = "sealed"
    Config = SealedConfig

    def names(self, project: Project) -> tuple[str, ...]:
        """Return the names in the file: they are not secret, only the values are."""
        if not project.folder.exists(self.config.file):
            return ()
        return tuple(sorted(_values(project.folder.read(self.config.file), self.config.file)))

    def fetch(self, ctx: Context, names: tuple[str, ...]) -> Mapping[str, Secret]:
        """Unseal the names that the file has."""
        sealed = self._sealed(ctx)
        wanted = [name for name in names if name in sealed]
        key = self._key(ctx) if wanted else b""
        return {name: Secret(name, unseal(key, name, sealed[name])) for name in wanted}

    def observe(self, ctx: Context) -> SecretFacts:
        """Return the names that the file has."""
        return SecretFacts(tuple(sorted(self._sealed(ctx))))

    def plan(self, wanted: tuple[str, ...], facts: SecretFacts) -> tuple[Change, ...]:
        """Return what the file lacks."""
        missing = sorted(set(wanted) - set(facts.names))
        return tuple(Change(f"set:{name}", "set", name, f"seal {name} in {self.config.file}") for name in missing)

    def apply(self, ctx: Context, change: Change, value: Secret) -> None:
        """Seal one value; a key is made when there is none yet."""
        import json

        sealed = {**self._sealed(ctx), change.subject: seal(self._key(ctx, make=True), change.subject, value.reveal())}
        data = json.dumps(sealed, indent=1, sort_keys=True).encode() + b"\n"
        ctx.machine().write(str(ctx.root / self.config.file), data)

    def _sealed(self, ctx: Context) -> dict[str, str]:
        try:
            data = ctx.machine().read(str(ctx.root / self.config.file))
        except NotFound:
            return {}
        return _values(data, self.config.file)

    def _key(self, ctx: Context, *, make: bool = False) -> bytes:
        path = str(ctx.root / self.config.key)
        try:
            return ctx.machine().read(path)
        except NotFound:
            if not make:
                hint = "ask a colleague for it, or seal the secrets anew"
                raise UserError(f"the key {self.config.key} is not there", hint=hint) from None
        import secrets

        key = secrets.token_bytes(32)
        ctx.machine().write(path, key, mode=0o600)
        return key


def seal(key: bytes, name: str, value: str) -> str:
    """Return a value sealed for a name: nonce, tag and text, in hexadecimal."""
    import secrets

    nonce = secrets.token_bytes(16)
    text = _mask(key, nonce, value.encode())
    return (nonce + _tag(key, name, nonce + text) + text).hex()


def unseal(key: bytes, name: str, sealed: str) -> str:
    """Return the value. Raises ProviderError for a wrong key, a changed text, or one that was sealed for another name."""
    import hmac

    try:
        data = bytes.fromhex(sealed)
    except ValueError:
        data = b""
    nonce, tag, text = data[:16], data[16:48], data[48:]
    if not hmac.compare_digest(tag, _tag(key, name, nonce + text)):
        raise ProviderError(f"{name} cannot be unsealed", hint="is the key the one that it was sealed with?")
    return _mask(key, nonce, text).decode()


def _mask(key: bytes, nonce: bytes, text: bytes) -> bytes:
    import hmac

    blocks = range(len(text) // 32 + 1)
    stream = b"".join(hmac.digest(key, b"mask" + nonce + n.to_bytes(8, "big"), "sha256") for n in blocks)
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))


def _tag(key: bytes, name: str, data: bytes) -> bytes:
    import hmac

    return hmac.digest(key, b"tag" + len(name.encode()).to_bytes(8, "big") + name.encode() + data, "sha256")


def _values(data: bytes, file: str) -> dict[str, str]:
    import json

    try:
        found: Any = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UserError(f"{file} is no file of sealed values", hint="put back the last version of it")
    return found


@hookimpl
def stagecraft_secrets() -> type[Secrets]:
    """Return the provider."""
    return Sealed
