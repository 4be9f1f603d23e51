"""Graphs -> ONNX models."""

from graphc.exporting.onnx.model import onnx_model, write_onnx

__all__ = ["onnx_model", "write_onnx"]
