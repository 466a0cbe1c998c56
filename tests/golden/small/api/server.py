import signal
print("serving", flush=True)
signal.sigwait({signal.SIGTERM})
