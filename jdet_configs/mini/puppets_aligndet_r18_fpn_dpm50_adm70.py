# Table 5: thresholds of the DPM 0.5 / 0.4, of the ADM 0.7 / 0.7.
_base_ = "puppets_aligndet_r18_fpn_3x3_4conv.py"
model = dict(
    dpm=dict(assigner=dict(pos_iou_thr=0.5, neg_iou_thr=0.4)),
    adm=dict(assigner=dict(pos_iou_thr=0.7, neg_iou_thr=0.7)),
)
