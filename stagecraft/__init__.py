"""Stagecraft: plan, build, deploy and roll back a multi-service application."""

__version__ = "0.1.0"
