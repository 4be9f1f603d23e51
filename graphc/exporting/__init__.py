"""Functions in other forms: files, C libraries, ONNX models."""
