model = dict(neck=dict(type="MSSA", attention_levels=[2, 3]))
