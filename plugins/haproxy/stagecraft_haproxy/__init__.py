"""The proxy ``haproxy``."""
