"""Stagecraft migrations in plain SQL files."""
