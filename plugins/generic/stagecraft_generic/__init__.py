"""Stagecraft backend and frontend for any command and Dockerfile."""
