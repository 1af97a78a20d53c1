"""Where volumes are near or far: feature spaces and nearest distances in them."""
