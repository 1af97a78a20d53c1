"""Training with patient-level differential privacy: one plan, one mechanism, one account."""
