"""Settings of this process: threads, memory, signals and standard streams."""
