"""Stagecraft runtime on a container engine with Docker Compose."""
