"""Plugins are found by name without importing, loaded by need, and one that is broken stands in nobody's way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import Mark, NotFound, PluginBroken, PluginFault

from .conftest import GOOD, Site


def test_a_good_one_is_known_by_name_and_imported_when_needed(site: Site) -> None:
    module = site.add("one")
    other = site.add("other")
    kernel = site.kernel()
    assert list(kernel.catalog.plugins) == ["one", "other"]
    assert module not in sys.modules
    assert kernel.lookup("backend", "one").name == "one"
    assert module in sys.modules
    assert other not in sys.modules, "only what is asked for by its name is imported"
    assert list(kernel.loaded) == ["one"]
    assert kernel.provided("backend")["one"].plugin == "one"
    plugin = kernel.catalog.plugins["one"]
    assert (plugin.distribution, plugin.version) == ("acme-one", "1.2")


def test_a_provider_under_another_name_than_its_plugin_is_found(site: Site) -> None:
    site.add("kit", GOOD.replace("NAME", "hammer"))
    site.add("broken", "raise RuntimeError('no')")
    assert site.kernel().lookup("backend", "hammer").name == "hammer"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("import sys; sys.exit(7)", "SystemExit: 7"),
        ("def broken(:", "SyntaxError: "),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
    ],
    ids=["raises", "missing import", "exits", "syntax", "base exception"],
)
def test_one_that_fails_on_import_is_remembered(source: str, reason: str, site: Site) -> None:
    site.add("bad", source)
    site.add("one")
    kernel = site.kernel()
    kernel.load_all()
    assert list(kernel.loaded) == ["one"]
    assert kernel.broken["bad"].reason.startswith(reason)
    assert kernel.broken["bad"].distribution == "acme-bad"
    with pytest.raises(PluginBroken) as error:
        kernel.lookup("backend", "bad")
    assert error.value.message.startswith(f"plugin 'bad' (acme-bad) cannot be loaded: {reason}")
    assert "python3 -m pip install --force-reinstall acme-bad" in error.value.hint
    assert kernel.lookup("backend", "one").name == "one"


def test_ctrl_c_during_an_import_is_no_fault_of_the_plugin(site: Site) -> None:
    site.add("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.kernel().load("slow")


def test_an_entry_point_without_its_module_is_broken(site: Site) -> None:
    module = site.add("gone")
    (site.folder / f"{module}.py").unlink()
    with pytest.raises(PluginBroken, match="ModuleNotFoundError"):
        site.kernel().load("gone")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("stagecraft_bakend", "stagecraft_backend"), ("stagecraft_roll_out", "stagecraft_rollout")],
)
def test_a_misspelt_hook_is_named_with_the_right_one(wrong: str, right: str, site: Site) -> None:
    site.add("bad", GOOD.replace("stagecraft_backend()", f"{wrong}()"))
    with pytest.raises(PluginBroken, match=f"implements '{wrong}', which is no hook; did you mean '{right}'") as error:
        site.kernel().load("bad")
    assert "acme-bad" in error.value.message


def test_a_hook_with_a_wrong_argument_is_broken(site: Site) -> None:
    site.add(
        "bad", "from stagecraft_hookspecs import hookimpl\n@hookimpl\ndef stagecraft_plan(deploymnet): return []\n"
    )
    site.add("one")
    kernel = site.kernel()
    with pytest.raises(PluginBroken, match="deploymnet"):
        kernel.load("bad")
    assert kernel.lookup("backend", "one").name == "one"
    assert kernel.hook.stagecraft_plan(deployment=None) == [], "nothing of the broken plugin is left behind"


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ("'one'", r"must return classes, not str 'one'"),
        ("One()", r"must return classes, not One <"),
        ("[One, 3]", r"must return classes, not int 3"),
        ("dict", r"returned dict, which does not derive from Backend"),
        ("Partial", r"returned Partial, which lacks build, dev, service"),
        ("type('Shouting', (One,), {'name': 'ONE'})", r"returned Shouting with name 'ONE'; names are lower-case"),
        ("type('Nameless', (One,), {'name': ''})", r"returned Nameless with name ''"),
        ("type('Loose', (One,), {'Config': dict})", r"returned Loose whose Config is no attrs class"),
    ],
)
def test_what_a_hook_returns_is_checked(result: str, why: str, site: Site) -> None:
    partial = (
        "\nclass Partial(Backend):\n    name = 'partial'\n    @classmethod\n    def detect(cls, folder): return None\n"
    )
    site.add("bad", GOOD.replace("return One\n", f"return {result}\n") + partial)
    with pytest.raises(PluginFault, match=rf"acme-bad: stagecraft_backend {why}") as error:
        site.kernel().lookup("backend", "bad")
    assert error.value.hint == "see the tutorial in stagecraft_hookspecs.backend"


def test_a_hook_may_return_several_or_none(site: Site) -> None:
    site.add("kit", GOOD.replace("return One\n", "return [One, type('Two', (One,), {'name': 'two'})]\n"))
    site.add("none", GOOD.replace("return One\n", "return None\n"))
    kernel = site.kernel()
    kernel.load_all()
    assert list(kernel.provided("backend")) == ["kit", "two"]


def test_a_hook_that_raises_names_plugin_and_distribution(site: Site) -> None:
    site.add("bad", GOOD.replace("return One\n", "return 1 / 0\n"))
    with pytest.raises(PluginFault, match=r"plugin 'bad' \(acme-bad\) raised ZeroDivisionError: division by zero"):
        site.kernel().lookup("backend", "bad")


@pytest.mark.parametrize("body", ["import sys; sys.exit(3)", "yield 1 / 0"])
def test_a_hook_that_exits_or_fails_later_is_a_fault_too(body: str, site: Site) -> None:
    site.add("bad", GOOD.replace("return One\n", f"{body}\n"))
    with pytest.raises(PluginFault, match=r"plugin 'bad' \(acme-bad\) raised (SystemExit: 3|ZeroDivisionError)"):
        site.kernel().lookup("backend", "bad")


def test_a_survey_shows_what_is_wrong_beside_what_is_right(site: Site) -> None:
    site.add("bad", GOOD.replace("return One\n", "return 3\n"))
    site.add("one")
    kernel = site.kernel()
    kernel.load_all()
    found, faults = kernel.survey("backend")
    assert list(found) == ["one"]
    assert faults["bad"].message == "acme-bad: stagecraft_backend must return classes, not int 3"


def test_a_broken_hook_of_one_kind_does_not_spoil_another(site: Site) -> None:
    site.add("bad", GOOD.replace("return One\n", "return 1 / 0\n"))
    site.add("page", GOOD.replace("backend", "frontend").replace("Backend", "Frontend"))
    assert site.kernel().lookup("frontend", "page").name == "page"


def test_two_distributions_that_claim_a_name(site: Site) -> None:
    site.add("one", dist="acme-one")
    site.add("one", dist="zeta-one")
    site.add("two")
    kernel = site.kernel()
    assert kernel.catalog.clashes == {"one": ("acme-one", "zeta-one")}
    with pytest.raises(PluginBroken, match="plugin 'one' is claimed by acme-one and zeta-one") as error:
        kernel.lookup("backend", "one")
    assert error.value.hint == "uninstall one of them, with python3 -m pip"
    assert kernel.lookup("backend", "two").name == "two", "it troubles nobody else"


def test_two_plugins_with_a_provider_of_one_name(site: Site) -> None:
    source = GOOD.replace("NAME", "same")
    site.add("first", source)
    site.add("second", source)
    kernel = site.kernel()
    with pytest.raises(
        PluginFault, match="backend provider 'same' comes from both acme-first and acme-second"
    ) as error:
        kernel.lookup("backend", "same")
    assert "STAGECRAFT_PLUGINS" in error.value.hint
    assert site.kernel("second").lookup("backend", "same").name == "same"


def test_one_distribution_in_two_places_is_no_clash(site: Site, second: Callable[[], Path]) -> None:
    site.add("one")
    site.add("one", GOOD.replace("Be a backend", "Be the shadowed one"), folder=second())
    kernel = site.kernel()
    assert not kernel.catalog.clashes
    assert kernel.lookup("backend", "one").__doc__ == "Be a backend."


def test_two_entry_points_of_one_module_are_one_plugin(site: Site) -> None:
    module = site.add("one")
    info = site.folder / "acme_one-1.2.dist-info" / "entry_points.txt"
    info.write_text(info.read_text() + f"uno = {module}\n")
    kernel = site.kernel()
    kernel.load_all()
    assert list(kernel.loaded) == ["one", "uno"]
    assert list(kernel.provided("backend")) == ["one"]


def test_an_unknown_provider_is_answered_with_the_nearest(site: Site) -> None:
    site.add("rails")
    kernel = site.kernel()
    with pytest.raises(NotFound) as error:
        kernel.lookup("backend", "rials", Mark("stagecraft.yml", 3, 12))
    assert error.value.message == "no backend provider 'rials'; did you mean 'rails'?"
    assert error.value.hint == "installed: rails", "a package named like a typing mistake may be anybody's"
    assert error.value.where == Mark("stagecraft.yml", 3, 12)
    with pytest.raises(NotFound, match="no frontend provider 'rails'"):
        kernel.lookup("frontend", "rails")


def test_a_broken_plugin_is_the_reason_rather_than_an_unknown_name(site: Site) -> None:
    """A provider that is not found under its plugin's name may well be in a plugin that is broken: say so."""
    site.add("kit", "raise RuntimeError('no')")
    with pytest.raises(NotFound) as error:
        site.kernel().lookup("backend", "hammer")
    assert error.value.hint.endswith("these cannot be loaded, see `stagecraft plugins list`: kit (acme-kit)")


def test_only_those_named_in_the_environment_are_known(site: Site) -> None:
    site.add("one")
    site.add("bad", "raise RuntimeError('must not be imported')")
    kernel = site.kernel("one", "nowhere")
    kernel.load_all()
    assert list(kernel.catalog.plugins) == ["one"]
    assert not kernel.broken
    with pytest.raises(NotFound):
        kernel.lookup("backend", "bad")


def test_defaults_are_claimed_by_entry_point(site: Site) -> None:
    site.add("one", backend="one")
    assert site.kernel().catalog.defaults == {"backend": "one"}
    site.add("two", backend="two")
    catalog = site.kernel().catalog
    assert catalog.defaults == {}
    assert catalog.default_clashes == {"backend": ("one", "two")}


def test_a_replaced_object_leaves_nothing_behind(site: Site) -> None:
    class Hooks:
        pass

    kernel = site.kernel()
    kernel.register(Hooks, "stagecraft_hooks")
    kernel.register(Hooks, "stagecraft_hooks")
    assert list(kernel.loaded) == ["stagecraft_hooks"]
