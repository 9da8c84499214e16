# mmdet's faster-rcnn_r50_fpn_1x_voc0712: 4 epochs of the training set repeated three times, learning rate 0.01, no warm-up.
_base_ = ["models/faster_rcnn_r50_fpn.py", "voc0712.py"]
model = dict(roi_head=dict(box=dict(head=dict(num_classes=20))))
optimizer = dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001)
scheduler = dict(type="StepLR", milestones=[3], gamma=0.1)
scale_lr_base_batch = 16
max_epoch = 4
eval_interval = 1
checkpoint_interval = 1
log_interval = 50
pretrained_weights = "data/weights/resnet50-0676ba61.pth"
