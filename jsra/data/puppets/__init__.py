"""The built-in dataset: articulated figures drawn by code; the same seed gives the same images on every machine.

shapes -> outlines of single parts; figures -> the classes, as trees of jointed parts; scene -> positions and poses of the
figures; backgrounds and render -> pixels; generate -> the splits in COCO's format.
"""
