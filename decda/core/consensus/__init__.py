"""What several runs of the same images agree on."""
