"""What is run: one module a job, composed from the components, and the command line."""
