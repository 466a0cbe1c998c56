"""The supervisor: owns the published ports, runs the instances, outlives who started it. Standard library only."""
