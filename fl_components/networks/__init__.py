"""The conditional GAN: generator and discriminator."""
