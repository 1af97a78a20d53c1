"""The figures the README and the docs quote: one command each, `python -m benchmarks.<name>` from the repository."""
