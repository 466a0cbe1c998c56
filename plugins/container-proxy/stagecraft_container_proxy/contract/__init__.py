"""The suite of behaviour that a proxy in a container is held to, with real requests: derive from ``behaviour.ProxyBehaviour``."""
