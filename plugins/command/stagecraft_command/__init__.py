"""Stagecraft migrations by a command of the release's own image."""
