"""Keep one container: have its image, create it once, start it, look at it, remove it. Each step can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from stagecraft_hookspecs.errors import ProviderError
from stagecraft_hookspecs.values import Image

from stagecraft_container_proxy import names
from stagecraft_container_proxy.engine import call, gone_is_none

if TYPE_CHECKING:
    from stagecraft_hookspecs.context import Context
    from stagecraft_hookspecs.values import Host

    from stagecraft_container_proxy.box import Box


@attrs.frozen
class State:
    """Say how the container is."""

    id: str
    running: bool
    exit_code: int
    settings: str


@attrs.frozen
class Keeper:
    """Keep the container of one environment's proxy on one host."""

    ctx: Context
    host: Host
    names: names.Names

    @property
    def client(self) -> Any:
        """Return the engine's client; raises ToolMissing when it does not answer."""
        return call("reach it", lambda: self.ctx.machine(self.host).docker())

    def state(self) -> State | None:
        """Return how the container is, or None without one; raises ProviderError when its name is somebody else's."""
        found = gone_is_none(
            "inspect the proxy's container", lambda: self.client.api.inspect_container(self.names.container)
        )
        if found is None:
            return None
        labels = found["Config"].get("Labels") or {}
        if any(labels.get(key) != value for key, value in self.names.labels.items()):
            raise ProviderError(
                f"the container {self.names.container} on {self.host.name} is not Stagecraft's",
                hint=f"rename it: docker rename {self.names.container} NEW_NAME",
            )
        state = found["State"]
        # one that keeps crashing is running now and then: it counts once it stays
        running = bool(state.get("Running")) and not state.get("Restarting")
        return State(found["Id"], running, int(state.get("ExitCode") or 0), labels.get(names.SETTINGS, ""))

    def start(self, box: Box) -> bool:
        """Make the container run; create it only where there is none. Return whether it was created.

        Raises:
            ProviderError: The image cannot be had or run; nothing is left behind then.
        """
        state = self.state()
        if state and state.running:
            return False
        if state is None:
            self._create(box, self.names.container, restart=True)
        try:
            call("start the proxy", lambda: self.client.api.start(self.names.container))
        except ProviderError:
            if state is None:
                self.remove(0)
            raise
        return state is None

    def restart(self, grace: float) -> None:
        """Stop the proxy, giving requests ``grace`` seconds, and start it: the same container."""
        call("restart the proxy", lambda: self.client.api.restart(self.names.container, timeout=max(1, round(grace))))

    def run(self, *argv: str) -> tuple[int, str]:
        """Run a command in the running container; return its exit code and output."""
        container = self.names.container
        made = call("run a command in the proxy", lambda: self.client.api.exec_create(container, list(argv)))
        output = call("run a command in the proxy", lambda: self.client.api.exec_start(made["Id"]))
        ended = call("run a command in the proxy", lambda: self.client.api.exec_inspect(made["Id"]))
        return int(ended.get("ExitCode") or 0), bytes(output or b"").decode(errors="replace")

    def attempt(self, box: Box) -> tuple[int, str]:
        """Run the box's command to its end in a container of its own, which is removed; return exit code and output."""
        name = f"{self.names.container}-check"
        self._remove(name, 0)  # of a run that was killed
        self._create(box, name, restart=False)
        try:
            call("start a container", lambda: self.client.api.start(name))
            ended = call("wait for a container", lambda: self.client.api.wait(name, timeout=60))
            return int(ended["StatusCode"]), self._log(name)
        finally:
            self._remove(name, 0)

    def log(self) -> str:
        """Return the container's last log lines."""
        return self._log(self.names.container)

    def remove(self, grace: float) -> None:
        """Stop the container and remove it with its volume; does nothing without one."""
        if self.state():
            self._remove(self.names.container, grace)
        self._remove(f"{self.names.container}-check", 0)
        volume = self.names.volume
        gone_is_none("remove the proxy's volume", lambda: self.client.api.remove_volume(volume))

    def _create(self, box: Box, name: str, *, restart: bool) -> None:
        image = self._image(box.image)
        labels = {**self.names.labels, names.SETTINGS: box.fingerprint}
        volume = self.names.volume
        own = dict(self.names.labels)
        call("create the proxy's volume", lambda: self.client.volumes.create(name=volume, labels=own))
        options = box.options(volume, restart=restart)
        call("create the proxy", lambda: self.client.containers.create(image, name=name, labels=labels, **options))

    def _image(self, wanted: str) -> str:
        """Return the id that the image has on the host's engine; by tag it is pulled only where there is none."""
        name, _, digest = wanted.partition("@")
        if digest:
            return self.ctx.image(Image(name, digest), self.host)
        found = gone_is_none("inspect the proxy's image", lambda: self.client.api.inspect_image(wanted))
        if found is None:
            self.ctx.progress(f"pulling {wanted}", host=self.host.name)
            try:
                call(f"pull {wanted}", lambda: self.client.images.pull(wanted))
            except ProviderError as error:
                hint = f"see whether the host reaches the registry: docker pull {wanted}; or set the proxy's `image`"
                raise ProviderError(f"{self.host.name}: {error.message}", hint=hint) from error
            found = call("inspect the proxy's image", lambda: self.client.api.inspect_image(wanted))
        return str(found["Id"])

    def _log(self, name: str) -> str:
        data = gone_is_none("read the proxy's log", lambda: self.client.api.logs(name, tail=20))
        return bytes(data or b"").decode(errors="replace").strip()

    def _remove(self, name: str, grace: float) -> None:
        api = self.client.api
        if grace:
            gone_is_none("stop the proxy", lambda: api.stop(name, timeout=max(1, round(grace))))
        gone_is_none("remove the proxy", lambda: api.remove_container(name, v=True, force=True))
