"""Detectors as ONNX files (`jsra export`)."""
