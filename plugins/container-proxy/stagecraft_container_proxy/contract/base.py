"""What the suites of behaviour start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from stagecraft_hookspecs.proxy import Proxy

from stagecraft_container_proxy.contract.apps import Loop
from stagecraft_container_proxy.contract.lab import Lab


class Base:
    """Give the fixture ``proxy``. The attributes say what a proxy cannot do, as its findings say too.

    Attributes:
        pages: Whether it sends a page of the project for maintenance.
        redirects: The status of a redirect.
        idles: Whether it ends silent streams.
    """

    pages: ClassVar[bool] = True
    redirects: ClassVar[int] = 308
    idles: ClassVar[bool] = True

    @pytest.fixture
    def proxy(self) -> Proxy:
        """Return the proxy."""
        pytest.fail(f"give {type(self).__name__} a fixture `proxy`", pytrace=False)

    @pytest.fixture
    def lab(self, proxy: Proxy, tmp_path: Path) -> Iterator[Lab]:
        """Make an environment, and remove it."""
        loop = Loop()
        lab = Lab(proxy, tmp_path, loop)
        yield lab
        lab.close()
        loop.close()
