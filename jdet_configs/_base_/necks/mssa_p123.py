model = dict(neck=dict(type="MSSA", attention_levels=[1, 2, 3]))
