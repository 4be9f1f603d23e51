"""The command line: what is in a file, build it, run it; the cache; what the machine has."""
