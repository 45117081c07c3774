"""Random erasing: an augmentation of kornia's, made a part in one line."""

import kornia.augmentation as K

from decda.augment import from_kornia

erasing = from_kornia(K.RandomErasing, scale=(0.02, 0.2), ratio=(0.5, 2.0), p=0.5)
"""Random erasing: half of the images lose a rectangle (Zhong, Zheng, Kang, Li, Yang, AAAI 2020), by kornia."""
