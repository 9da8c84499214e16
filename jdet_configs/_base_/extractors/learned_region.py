# Learned Region Features (Gu et al. 2018): geometry and appearance, the whole image as support.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="LearnedRegionFeatures")))))
