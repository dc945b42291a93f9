"""Models that were trained elsewhere: an ONNX file becomes the model of a bundle, or is refused by name."""
