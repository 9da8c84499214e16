# Multi-scale self-attention at all four levels.
model = dict(neck=dict(type="MSSA"))
