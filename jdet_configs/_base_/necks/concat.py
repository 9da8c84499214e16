# "Concat.": FPN that concatenates instead of adding up.
model = dict(neck=dict(type="ConcatFPN"))
