model = dict(neck=dict(type="MSSA", attention_levels=[3]))
