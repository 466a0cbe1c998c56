"""Stagecraft proxy by Caddy."""
