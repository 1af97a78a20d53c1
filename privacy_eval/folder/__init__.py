"""The audit on plain folders of images: no federation, no generator of ours."""
