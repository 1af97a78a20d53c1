"""A site's subjects: folder layouts, checks, preprocessing, the split, simulated hospitals."""
