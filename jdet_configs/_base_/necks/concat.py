# "Concat.": an FPN that concatenates maps instead of adding them.
model = dict(neck=dict(type="ConcatFPN"))
