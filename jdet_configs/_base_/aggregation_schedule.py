# The recipe of 'Attention-based Feature Aggregation' (under review, ICLR 2022): 12 epochs of AdamW, 8 images per step. The
# text prints weight decay 0.5 (0.05 is usual). It mentions a random crop without a size; the crop is left out.
optimizer = dict(_cover_=True, type="AdamW", lr=0.0001, betas=[0.9, 0.99], weight_decay=0.5)
scale_lr_base_batch = 8
dataset = dict(train=dict(batch_size=8))
