"""Training: networks, losses, the loop, and export to ONNX. The only place where PyTorch is imported."""
