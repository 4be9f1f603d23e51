"""Reports about a compiled function: explain, and drawings of graphs."""
