"""What synthetic anatomies and images are like beside real ones: at a site, or on simulated hospitals."""
