"""What each op of the registry is in ONNX: one small function an op, in files by family."""
