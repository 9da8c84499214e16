# 'w/ Conv.' of table 1: masks from a 7 x 7 convolution over the RoI Align features.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="ConvMasks")))))
