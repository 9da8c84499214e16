"""Pictures: detections, semantic masks, training curves."""
