"""Stagecraft secrets from env files."""
