"""Simulated hospitals: patients, scanners and artefacts that the public anatomies know nothing of."""
