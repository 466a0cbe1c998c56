"""An unexpected exception is blamed on the plugin whose code raised it."""

from __future__ import annotations

from typing import Any

import pytest
from stagecraft_hookspecs.errors import InternalError, PluginFault

from .conftest import GOOD, Site

CALLER = (
    GOOD
    + """
import json

def parse(text):
    return json.loads(text)

def call(function):
    return function()
"""
)


def caught(function: Any, *arguments: Any) -> Exception:
    with pytest.raises(Exception) as found:
        function(*arguments)
    return found.value


def test_the_plugin_that_called_a_library_is_blamed(site: Site) -> None:
    module = site.add("one", CALLER)
    kernel = site.kernel()
    kernel.load("one")
    import sys

    fault = kernel.blame(caught(sys.modules[module].parse, "{"))
    assert type(fault) is PluginFault
    assert fault.message.startswith("plugin 'one' (acme-one) raised JSONDecodeError: ")
    assert fault.hint == "report it to the authors of acme-one"
    assert fault.exit_code == 3


def test_a_fault_of_the_kernel_is_the_kernels_also_below_a_plugin(site: Site) -> None:
    module = site.add("one", CALLER)
    kernel = site.kernel()
    kernel.load("one")
    import sys

    from stagecraft.cli.arguments import split

    error = caught(sys.modules[module].call, lambda: split(None, ()))  # type: ignore[arg-type]
    assert type(kernel.blame(error)) is InternalError


def test_nobodys_code_is_nobodys_fault(site: Site) -> None:
    fault = site.kernel().blame(ValueError("x"))
    assert type(fault) is InternalError
    assert fault.message == "ValueError: x"


def test_every_observer_is_called_and_each_failure_told(site: Site) -> None:
    observer = """
    from stagecraft_hookspecs import hookimpl
    seen = []
    @hookimpl
    def stagecraft_on_release(release):
        seen.append(release)
        BODY
    """
    good = site.add("good", observer.replace("BODY", "pass"))
    site.add("bad", observer.replace("BODY", "raise RuntimeError('observer')"))
    site.add("quits", observer.replace("BODY", "raise SystemExit(1)"))
    kernel = site.kernel()
    kernel.load_all()
    import sys

    failures = {name: str(error) for name, error in kernel.observers("stagecraft_on_release", release=7, ctx=None)}
    assert failures == {"bad": "observer", "quits": "1"}
    assert sys.modules[good].seen == [7]
