# Table 3, gamma 2nd: the paper's value is lost, 10 is ours.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", gamma=10.0)))))
