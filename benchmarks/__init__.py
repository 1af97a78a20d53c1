"""The figures the README and the docs quote: one command each, `python -m benchmarks.<name>` from the repository."""

from jobs.threads import let_waiting_threads_sleep

let_waiting_threads_sleep()  # as `fedsynth` does, so that figures are of what users run
