# Trained on upright figures in one pose; the test_* splits show the effect of each transformation.
# No flips, because reflection is one of the transformations.
_base_ = "puppets.py"
dataset = dict(
    train=dict(
        root="data/puppets/train_fixed",
        anno_file="data/puppets/annotations/train_fixed.json",
        transforms=[
            dict(type="Resize", min_size=224, max_size=224),
            dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
            dict(type="Pad", size_divisor=32),
        ],
    ),
    val=dict(root="data/puppets/test_fixed", anno_file="data/puppets/annotations/test_fixed.json"),
    test=dict(root="data/puppets/test_fixed", anno_file="data/puppets/annotations/test_fixed.json"),
)
