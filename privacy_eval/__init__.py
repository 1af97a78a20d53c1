"""Privacy audit of synthetic images: attacks, controls, statistics, verdict and report (numpy and scipy only)."""
