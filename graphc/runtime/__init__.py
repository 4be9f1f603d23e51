"""What runs a compiled graph: the executable, its caller, memory, threads and signals."""
