"""Stagecraft runtime without containers."""
