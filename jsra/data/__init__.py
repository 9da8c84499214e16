"""Datasets, transforms, loader and the built-in puppets dataset."""
