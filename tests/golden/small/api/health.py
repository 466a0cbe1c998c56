pass  # always well
