"""Several runs on the same images, compared without classes."""
