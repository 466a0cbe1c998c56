"""Contract suites: what every provider must keep to, as tests that its author inherits with one fixture.

::

    import pytest
    from stagecraft_hookspecs.contract.backend import BackendContract
    from stagecraft_rails.plugin import Rails, RailsConfig

    class TestRails(BackendContract):
        @pytest.fixture
        def provider(self):
            return Rails(RailsConfig(port=3001))

The suites need pytest (``pip install "stagecraft-hookspecs[contract]"``) and no kernel. Each kind has its module here, named as
the kind's own; ``phases`` and ``commands`` are for plugins that take part in a deploy or add commands. Sample inputs are methods
with defaults: override those that do not suit the provider. ``doubles`` holds what stands in for the project's files, machines
and the context, for an author's further tests.
"""

from __future__ import annotations

import sys

_SUITES = (
    *(
        "applications",
        "backend",
        "base",
        "ci",
        "cloud",
        "commands",
        "frontend",
        "migration",
        "network",
        "others",
        "phases",
    ),
    *("proxy", "runtime", "secrets", "state"),
)

# assertions in the suites explain themselves like an author's own; without pytest only the doubles can be used
if _pytest := sys.modules.get("pytest"):
    _pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))
