"""Label maps: the public template, sampled anatomies, simulated tumours, plausibility."""
