"""The runtime ``docker-rollout``."""
