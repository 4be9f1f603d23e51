"""A graph in other forms: JSON."""
