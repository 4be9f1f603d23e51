"""Loop IR -> Python source: kernels, the module that holds them, and its step."""
