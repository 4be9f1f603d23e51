"""ONNX models -> modules whose graph graphc compiles."""
