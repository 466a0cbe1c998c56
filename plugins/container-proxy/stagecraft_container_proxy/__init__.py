"""What proxies have in common that run as one container per host and project environment."""
