model = dict(neck=dict(type="MSSA", pooling="adaptive", pool_size=7))
