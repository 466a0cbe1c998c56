"""What users see of a proxy in a container, by real requests through the real thing."""

from __future__ import annotations

from stagecraft_container_proxy.contract.asking import AskingSuite
from stagecraft_container_proxy.contract.switching import SwitchingSuite


class ProxyBehaviour(AskingSuite, SwitchingSuite):
    """Give the fixture ``proxy``; the attributes say what a proxy cannot do, as its findings say too."""
