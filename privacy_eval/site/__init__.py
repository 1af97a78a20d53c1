"""The audit inside one site: evidence that never leaves, controls, the battery, and the answer that may leave."""
