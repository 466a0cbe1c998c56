"""Stagecraft state on the environment's hosts."""
