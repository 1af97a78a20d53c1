"""From the simulation to a real deployment: the same jobs in NVFlare's POC, each site under its own lock-down."""
