# Table 5: at most 128 positions per RoI.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", max_area=128))))
)
