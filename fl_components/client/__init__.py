"""What runs inside a hospital under NVFlare."""
