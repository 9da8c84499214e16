model = dict(neck=dict(type="MSSA", pooling="single_scale"))
