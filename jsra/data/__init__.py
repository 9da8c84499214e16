"""Datasets, transforms, loader and the built-in puppets data set."""
