"""Stagecraft state in the project's folder."""
