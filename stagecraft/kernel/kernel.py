"""Load plugins by need and look providers up. The kernel knows no provider."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import pluggy
from stagecraft_hookspecs import PROJECT
from stagecraft_hookspecs.errors import Mark, NotFound, PluginBroken, PluginFault, StagecraftError, nearest

from stagecraft.kernel.catalog import Catalog, Plugin
from stagecraft.kernel.check import check_provider, flatten
from stagecraft.kernel.kinds import KINDS, contract, hook_modules
from stagecraft.kernel.refusals import Broken, cannot_load, how_to_install, no_provider

if TYPE_CHECKING:
    from stagecraft_hookspecs.provider import Provider


@attrs.frozen
class Provided:
    """Tell a provider class together with the plugin that it comes from."""

    kind: str
    cls: type[Provider]
    plugin: str


class _Manager(pluggy.PluginManager):
    """Look at names that can be hooks and no others: every other name of a module costs as much to look at."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if name.startswith(f"{PROJECT}_") else None

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> pluggy.HookspecOpts | None:
        return super().parse_hookspec_opts(module_or_class, name) if name.startswith(f"{PROJECT}_") else None


class Kernel:
    """Hold the loaded plugins of one run.

    Args:
        catalog: What is installed.
        interpreter: Named when something is not found, since it is the usual reason.
    """

    def __init__(self, catalog: Catalog, interpreter: str = sys.executable) -> None:
        self.catalog = catalog
        self.broken: dict[str, Broken] = {}
        self._interpreter = interpreter
        self._manager = _Manager(PROJECT)
        self._loaded: dict[str, object] = {}
        self._specs: set[str] = set()
        self._provided: dict[str, dict[str, Provided]] = {}

    @property
    def hook(self) -> Any:
        """Return pluggy's relay of the hooks of all loaded plugins."""
        for module in sorted(set(hook_modules().values())):
            if module.endswith((".phases", ".commands")):
                self._declare(module)
        return self._manager.hook

    @property
    def loaded(self) -> Mapping[str, object]:
        """Return the loaded plugins by name, sorted."""
        return dict(sorted(self._loaded.items()))

    def register(self, plugin: object, name: str) -> None:
        """Register an object that is no entry point, such as the project's ``stagecraft_hooks.py``; it replaces a former one."""
        if name in self._loaded:
            self._manager.unregister(self._loaded.pop(name), name)
        self._check_hooks(plugin, name)
        self._manager.register(plugin, name)
        self._manager.check_pending()
        self._loaded[name] = plugin
        self._provided.clear()

    def load(self, name: str, where: Mark | None = None) -> None:
        """Import and register one plugin.

        Raises:
            NotFound: There is no such plugin.
            PluginBroken: It is there and cannot be loaded, or two distributions claim the name.
        """
        if name in self._loaded:
            return
        if name in self.catalog.clashes:
            owners = " and ".join(self.catalog.clashes[name])
            raise PluginBroken(
                f"plugin {name!r} is claimed by {owners}",
                hint=f"uninstall one of them, with {self._interpreter} -m pip",
            )
        plugin = self.catalog.plugins.get(name)
        if plugin is None:
            raise NotFound(
                "plugin", name, self.catalog.plugins, hint=how_to_install(name, self._interpreter), where=where
            )
        if name not in self.broken:
            self._load(plugin)
        if name in self.broken:
            raise cannot_load(self.broken[name], self._interpreter)

    def load_all(self) -> None:
        """Load every installed plugin; those that fail are remembered in ``broken``."""
        for name, plugin in sorted(self.catalog.plugins.items()):
            if name not in self._loaded and name not in self.broken:
                self._load(plugin)

    def lookup(self, kind: str, name: str, where: Mark | None = None) -> type[Provider]:
        """Return the provider class ``name`` of a kind, loading as little as possible.

        Raises:
            NotFound: With the nearest name, what is installed, and the package that would bring it.
            PluginBroken: The plugin is there and cannot be loaded.
        """
        if name in self.catalog.plugins or name in self.catalog.clashes:
            self.load(name, where)
        found = self.provided(kind).get(name)
        if found is None:
            self.load_all()
            found = self.provided(kind).get(name)
        if found is None:
            raise no_provider(kind, name, self.provided(kind), self.broken, self._interpreter, where)
        return found.cls

    def provided(self, kind: str) -> Mapping[str, Provided]:
        """Return the loaded plugins' providers of one kind, sorted by name; two of one name are an error that names both."""
        if kind not in self._provided:
            found, faults = self.survey(kind)
            for _, fault in sorted(faults.items()):
                raise fault
            self._provided[kind] = found
        return self._provided[kind]

    def survey(self, kind: str) -> tuple[dict[str, Provided], dict[str, StagecraftError]]:
        """Return the loaded plugins' providers of one kind by name, and what is wrong with a plugin's by the plugin's name."""
        self._declare(KINDS[kind][0])
        _, base = contract(kind)
        found: dict[str, Provided] = {}
        faults: dict[str, StagecraftError] = {}
        for name, result in self.each(f"stagecraft_{kind}"):
            try:
                if isinstance(result, StagecraftError):
                    raise result
                for cls in flatten(result):
                    self._add(found, kind, base, cls, name)
            except StagecraftError as error:
                faults[name] = error
        return dict(sorted(found.items())), faults

    def each(self, hook: str) -> Iterator[tuple[str, object]]:
        """Call a hook that takes nothing plugin by plugin; yield the plugin and its result, or the error that names it."""
        for name, plugin in sorted(self._loaded.items()):
            try:
                yield name, self._call(plugin, hook)
            except StagecraftError as error:
                yield name, error

    def observers(self, hook: str, **arguments: Any) -> Iterator[tuple[str, BaseException]]:
        """Call an observer hook plugin by plugin; yield the plugin and the error of each that raised."""
        for name, plugin in sorted(self._loaded.items()):
            if not hasattr(plugin, hook):
                continue
            others = [p for n, p in self._loaded.items() if n != name]
            try:
                self._manager.subset_hook_caller(hook, others)(**arguments)
            except (Exception, SystemExit) as error:  # not even by sys.exit() an observer ends a deploy
                yield name, error

    def blame(self, error: BaseException) -> StagecraftError:
        """Turn an unexpected exception into a fault that names the plugin whose code raised it, if one did."""
        from stagecraft.kernel.blame import culprit

        name = culprit(error, self._loaded)
        if name is None:
            from stagecraft_hookspecs.errors import InternalError

            return InternalError(
                f"{type(error).__name__}: {error}", hint="this is a fault in Stagecraft; please report it"
            )
        return PluginFault(
            f"plugin {name!r} ({self._owner(name)}) raised {type(error).__name__}: {error}",
            hint=f"report it to the authors of {self._owner(name)}",
        )

    def _load(self, plugin: Plugin) -> None:
        try:
            loaded = plugin.load()
            if not any(loaded is other for other in self._loaded.values()):
                self._check_hooks(loaded, plugin.name)
                self._manager.register(loaded, plugin.name)
                self._manager.check_pending()
            self._loaded[plugin.name] = loaded
            self._provided.clear()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit() on import
            import traceback

            reason = error.message if isinstance(error, StagecraftError) else f"{type(error).__name__}: {error}"
            self.broken[plugin.name] = Broken(
                plugin.name, plugin.distribution, reason, "".join(traceback.format_exception(error))
            )

    def _check_hooks(self, plugin: object, name: str) -> None:
        """Declare the hooks that the plugin implements, and refuse names that are none: pluggy would ignore them."""
        modules = hook_modules()
        for attribute in dir(plugin):
            if not attribute.startswith("stagecraft_"):
                continue
            if not hasattr(getattr(plugin, attribute), f"{PROJECT}_impl"):
                continue
            if attribute not in modules:
                near = nearest(attribute, modules)
                raise PluginFault(
                    f"plugin {name!r} implements {attribute!r}, which is no hook"
                    + (f"; did you mean {near!r}?" if near else "")
                )
            self._declare(modules[attribute])

    def _declare(self, module: str) -> None:
        if module not in self._specs:
            self._specs.add(module)
            self._manager.add_hookspecs(importlib.import_module(module))

    def _call(self, plugin: object, hook: str) -> object:
        """Call a plugin's own implementation of a hook that takes nothing; None when it has none."""
        function = getattr(plugin, hook, None)
        if function is None or not hasattr(function, f"{PROJECT}_impl"):
            return None
        try:
            result = function()
            # a generator runs when it is walked, and what it raises is the plugin's as well
            return list(result) if isinstance(result, Iterator) else result
        except StagecraftError:
            raise
        except (Exception, SystemExit) as error:
            raise self.blame(error) from error

    def _add(self, found: dict[str, Provided], kind: str, base: type[Provider], cls: Any, name: str) -> None:
        # whose distribution it is costs a look into its metadata, which only an error is worth
        check_provider(kind, base, cls, lambda: self._owner(name))
        if cls.name in found and found[cls.name].cls is not cls:
            raise PluginFault(
                f"{kind} provider {cls.name!r} comes from both {self._owner(found[cls.name].plugin)} and {self._owner(name)}",
                hint="uninstall one of them, or list the plugins to use in STAGECRAFT_PLUGINS",
            )
        found.setdefault(cls.name, Provided(kind, cls, name))

    def _owner(self, name: str) -> str:
        plugin = self.catalog.plugins.get(name)
        return plugin.distribution if plugin else name
