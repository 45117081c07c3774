"""Settings of this process: threads, memory and stdout."""
