"""The runtime ``swarm``."""
