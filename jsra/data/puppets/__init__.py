"""The built-in data set: articulated figures drawn by code, the same for the same seed on every machine.

shapes -> outlines of single parts; figures -> the classes, as trees of jointed parts; scene -> where which figure stands
in which pose; backgrounds and render -> pixels; generate -> the splits in COCO's format.
"""
