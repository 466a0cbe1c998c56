"""Gather the files of a set of routes: rendered ones, the project's certificates and pages, the administrator's client."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from importlib import resources
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound, UserError
from stagecraft_hookspecs.values import File

from stagecraft_haproxy import names, pages, render

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.proxy import Route

    from stagecraft_haproxy.site import Site

_OWN = ("client.cfg", "client.lua", "worker.lua")


def gather(site: Site, routes: tuple[Route, ...], without: Collection[int] = ()) -> dict[str, File]:
    """Return all files by path, relative to the proxy's folder.

    Raises:
        UserError: A file of the project that is not there or is not what it should be.
    """
    ctx = site.ctx
    shown = {names.page(r.id): File(pages.answer(_read(ctx, r.page), source=r.page)) for r in routes if r.page}
    # a page is read when the configuration is: another one needs a reload, a certificate does not
    digest = hashlib.sha256(b"".join(shown[p].data for p in sorted(shown))).hexdigest() if shown else ""
    secure = {(r.certificate, r.key) for r in routes if r.tls == "given" and r.listen not in without}
    own = {n: File((resources.files("stagecraft_haproxy") / n).read_bytes()) for n in _OWN}
    certificates = {names.pem(c, k): File(_pem(ctx, c, k), 0o600, secret=True) for c, k in sorted(secure)}
    return {**own, **shown, **render.build(routes, site.config, without=without, content=digest), **certificates}


def _pem(ctx: Context, certificate: str, key: str) -> bytes:
    """Return certificate and key in one; without empty lines, which would end them on the way to the running proxy."""
    both = _read(ctx, certificate) + b"\n" + _read(ctx, key)
    for mark, path in ((b"CERTIFICATE", certificate), (b"PRIVATE KEY", key)):
        if b"-----BEGIN " not in both or mark not in both:
            raise UserError(f"{path} holds no PEM {mark.decode().lower()}", hint="give it as a PEM file")
    return b"\n".join(line.strip() for line in both.splitlines() if line.strip()) + b"\n"


def _read(ctx: Context, path: str) -> bytes:
    root = ctx.root.resolve()
    wanted = (root / path).resolve()
    if not wanted.is_relative_to(root):
        raise UserError(f"{path} lies outside the project", hint="paths are relative to the project's folder")
    try:
        return wanted.read_bytes()
    except FileNotFoundError as error:
        raise NotFound("file", path, hint="the proxy's settings name it, relative to the project's folder") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
