_base_ = ["../_base_/mini_video.py", "../_base_/extractors/roi_align.py"]
