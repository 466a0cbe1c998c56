"""The development stack: a topology that is a pure value, and the supervisor that runs it."""
