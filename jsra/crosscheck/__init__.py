"""`jsra crosscheck`: a RoI layer here and a PyTorch module of anybody's, on the same weights and inputs, step by step."""
