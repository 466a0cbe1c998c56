"""Stagecraft frontend for Vite."""
