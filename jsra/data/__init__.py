"""Datasets, transforms, loader and the embedded puppets data set."""
