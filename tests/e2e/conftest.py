"""Give the end-to-end tests the hosts of the testbed."""

from __future__ import annotations

from tests.testbed.fixtures import clean_hosts, hosts, make_host, registries  # noqa: F401
