"""`jsra crosscheck`: compares a RoI layer of jsra with a user's PyTorch module, step by step, for equal weights and
inputs."""
