"""Stagecraft proxy by Traefik."""
