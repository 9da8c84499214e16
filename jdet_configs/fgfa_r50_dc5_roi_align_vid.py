_base_ = "_base_/fgfa_r50_dc5_vid.py"
