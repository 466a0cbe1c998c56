"""Act on other machines: one SSH connection and one shell per host. Import ``fleet`` only when a host is remote."""
