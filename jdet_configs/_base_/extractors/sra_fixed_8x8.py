# Table 5: always 8 x 8 positions.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", grid=8)))))
