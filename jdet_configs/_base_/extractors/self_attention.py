# 'w/ SA' of table 1: multi-head self-attention over the RoI Align features; the widths are our assumption.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="RoISelfAttention")))))
