# DRoIPooling: modulated deformable RoI pooling (Zhu et al. 2019), one pack for each FPN level.
model = dict(
    roi_head=dict(
        box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="ModulatedDeformRoIPoolPack"), per_level=True))
    )
)
