"""The augmentation `erasing`: one of kornia's, turned into a part in one line."""

import kornia.augmentation as K

from decda.augment import from_kornia

erasing = from_kornia(K.RandomErasing, scale=(0.02, 0.2), ratio=(0.5, 2.0), p=0.5)
"""Random erasing: kornia erases a rectangle from half of the images (Zhong, Zheng, Kang, Li, Yang, AAAI 2020)."""
