# RoIAttn (Liang and Song 2022): external attention across the RoIs of an image.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="RoIAttention")))))
