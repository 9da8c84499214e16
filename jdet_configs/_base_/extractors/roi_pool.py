# RoI Pooling (Girshick 2015), 7 x 7.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="RoIPool", output_size=7)))))
