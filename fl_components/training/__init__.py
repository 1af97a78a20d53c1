"""Local training at a site: augmentation, one GAN step, the state between tasks."""
