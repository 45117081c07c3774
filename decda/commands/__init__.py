"""Commands of the command line, a file each, loaded when called."""
