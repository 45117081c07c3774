"""Deep embedded clustering with data augmentation, assembled from plugins."""

__version__ = "0.1.0"
