"""Drawing: detections, semantic masks, training curves."""
