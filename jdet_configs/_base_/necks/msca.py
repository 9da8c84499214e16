# Multi-scale cross-attention at all four levels.
model = dict(neck=dict(type="MSCA"))
