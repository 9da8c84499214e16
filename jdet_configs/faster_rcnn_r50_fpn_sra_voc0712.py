_base_ = ["_base_/faster_rcnn_r50_fpn_voc0712.py", "_base_/extractors/sra.py"]
