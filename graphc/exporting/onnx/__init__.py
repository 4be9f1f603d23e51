"""Graphs -> ONNX models."""
