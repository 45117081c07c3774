"""Training one model on one set of images; knows no files."""
