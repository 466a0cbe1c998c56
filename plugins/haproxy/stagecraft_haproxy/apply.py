"""Give the proxy another structure: checked before it is put in place, and put back when the proxy refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stagecraft_hookspecs.errors import NotFound, ProviderError, StagecraftError

from stagecraft_haproxy import admin, container, names, render, store
from stagecraft_haproxy.admin import Ask, Live

if TYPE_CHECKING:
    from stagecraft_hookspecs.proxy import Route
    from stagecraft_hookspecs.values import File

    from stagecraft_haproxy.site import Site
    from stagecraft_haproxy.store import Known

_STARTING = 15.0


def differs(live: Live, files: Mapping[str, File]) -> bool:
    """Tell whether files make another structure than the one that runs; targets and certificates are none of it."""
    return live.structure != render.structure_of(files[names.CONFIG].data)


def apply(site: Site, live: Live | None, routes: tuple[Route, ...], files: Mapping[str, File], known: Known) -> None:
    """Put files in place and make the proxy take them: started, reloaded, given new certificates, or left alone.

    Raises:
        ProviderError: HAProxy refuses; its lines are the detail, and what was there before is there again.
    """
    told = store.digests(files)
    changed = {path: file for path, file in files.items() if known.files.get(path) != told[path]}
    if live is None or differs(live, files):
        _check(site, files, live is not None)
        former = {path: _former(site, path) for path in changed}
        write(site, changed)
        try:
            start(site) if live is None else _reload(site, files)
        except StagecraftError:
            write(site, {path: file for path, file in former.items() if file is not None})
            raise
    elif fresh := sorted(path for path in changed if path.endswith(".pem")):
        _check(site, files, True, keep=True)
        _certificates(site, fresh)
        write(site, changed)
        site.machine.remove(f"{site.folder}/{names.DRAFT}")
    else:
        write(site, changed)
    if changed or known.routes != store.plain(routes):
        store.save(site, routes, files)


def write(site: Site, files: Mapping[str, File], below: str = "") -> None:
    """Write files into the proxy's folder, the configuration last, for it names the others."""
    for path, file in sorted(files.items(), key=lambda item: (item[0] == names.CONFIG, item[0])):
        mode = 0o600 if file.secret else file.mode
        site.machine.write(f"{site.folder}/{below}{path}", file.data, mode=mode)


def start(site: Site) -> None:
    """Have the container up and answering; one that does not come up is removed again."""
    from stagecraft_haproxy.engine import call

    if container.find(site) is None:
        container.create(site)
    else:
        call("start the proxy", lambda: site.api.start(site.name))
    until = site.ctx.monotonic() + _STARTING
    while True:
        found = container.find(site)
        if container.runs(found):
            try:
                admin.look(site)
                return
            except ProviderError:
                if site.ctx.monotonic() > until:
                    raise
        elif found is None or found.get("RestartCount") or site.ctx.monotonic() > until:
            said = _told(container.logs(site, site.name))
            container.remove(site)
            raise ProviderError(f"the proxy does not start on {site.host.name}", hint=_hint(said), detail=said)
        site.ctx.sleep(0.1)


def _reload(site: Site, files: Mapping[str, File]) -> None:
    """Make the master start a new worker that takes over the listeners, and wait until that one answers."""
    answer = admin.ask(site, "reload")[0].text
    if not answer.startswith("Success=1"):
        said = _told(answer)
        raise ProviderError(f"the proxy on {site.host.name} refused to reload", hint=_hint(said), detail=said)
    if differs(admin.look(site), files):
        raise ProviderError(f"the proxy on {site.host.name} reloaded something else", hint="try again")


def _check(site: Site, files: Mapping[str, File], running: bool, *, keep: bool = False) -> None:
    """Let HAProxy itself check the files, in a folder of their own."""
    write(site, files, f"{names.DRAFT}/")
    draft = f"{names.DRAFT}/{names.CONFIG}"
    try:
        if running:
            code, _, said = admin.execute(site, ("haproxy", "-c", "-f", f"{names.MOUNT}/{draft}"))
        else:
            code, said = container.checked_apart(site, draft)
    except StagecraftError:
        keep = False
        raise
    finally:
        if not keep:
            site.machine.remove(f"{site.folder}/{names.DRAFT}")
    if code:
        site.machine.remove(f"{site.folder}/{names.DRAFT}")
        message = f"HAProxy on {site.host.name} rejects the configuration; the former one stands"
        raise ProviderError(message, hint="put right what its lines name, and deploy again", detail=_told(said))


def _certificates(site: Site, paths: list[str]) -> None:
    """Give the running proxy other certificates: connections that are open keep theirs, no listener is touched."""
    for path in paths:
        answers = admin.ask(site, Ask(f"@1 set ssl cert {path}", f"{names.DRAFT}/{path}"), f"@1 commit ssl cert {path}")
        if "Success" not in answers[1].text:
            admin.ask(site, f"@1 abort ssl cert {path}")
            said = "\n".join(a.text.strip() for a in answers)
            message = f"HAProxy on {site.host.name} rejects a certificate; the former one stands"
            raise ProviderError(message, hint="see that certificate and key belong together", detail=said)


def _former(site: Site, path: str) -> File | None:
    from stagecraft_hookspecs.values import File

    try:
        return File(site.machine.read(f"{site.folder}/{path}"), secret=path.endswith(".pem"))
    except NotFound:
        return None


def _told(text: str) -> str:
    """Return HAProxy's lines without those that only say that it runs."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("[NOTICE]", "Success=", "--"))]
    return "\n".join(lines[-20:])


def _hint(said: str) -> str:
    if "cannot bind" in said or "in use" in said:
        return "see who has the port: ss -ltnp"
    return "put right what its lines name, and deploy again"
