# Table 3, gamma 1st: the paper's value is lost, 2 is ours.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", gamma=2.0)))))
