"""Several runs at once: in processes of their own, or interleaved on one GPU."""
