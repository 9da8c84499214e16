"""A small real model and loader for the engine's tests: convolution, batch norm, random dropout, two losses."""
import jittor as jt
import numpy as np
from jittor import nn

from jsra.engine.groups import ParameterGroups
from jsra.engine.optimizer import SGD, AdamW
from jsra.engine.run import Run
from jsra.engine.schedule import StepLR


class ToyNet(nn.Module):
    def __init__(self, dropout=True):
        # No bias: before a batch norm its gradient is rounding noise, which Adam would blow up to full steps.
        self.conv = nn.Conv(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm(4)
        self.fc = nn.Linear(4, 2)
        self.dropout = dropout

    def execute(self, images, targets):
        x = nn.relu(self.norm(self.conv(images)))
        if self.dropout and self.is_training():
            x = x * (jt.rand(x.shape) > 0.3).float32()
        out = self.fc(x.mean(dims=(2, 3)))
        if not self.is_training():
            return [dict(img_id=t["img_id"], value=float(v)) for t, v in zip(targets, out.numpy()[:, 0])]
        wanted = jt.array(np.stack([t["wanted"] for t in targets]))
        return dict(loss_a=((out - wanted) ** 2).mean(), loss_b=(out.abs()).mean() * 0.1, size=out.abs().max())


class ToyLoader:
    """`length` batches of an epoch whose images and order are functions of (seed, epoch)."""

    def __init__(self, length=4, batch_size=2, seed=0, poison=None):
        self.length, self.batch_size, self.seed, self.poison = length, batch_size, seed, poison
        self.read = []

    def __len__(self):
        return self.length

    def epoch(self, epoch, start=0):
        for i in range(start, self.length):
            rng = np.random.default_rng([self.seed, epoch, i])
            ids = [f"{epoch}-{i}-{j}" for j in range(self.batch_size)]
            self.read.append(ids)
            images = rng.normal(size=(self.batch_size, 3, 8, 8)).astype(np.float32)
            if self.poison == (epoch, i):
                images[:] = np.nan
            wanted = images.mean((2, 3))[:, :2] * 3
            yield images, [dict(img_id=name, wanted=w) for name, w in zip(ids, wanted)]


def make_run(work_dir, seed=0, epochs=3, optimizer="SGD", loader=None, dropout=True, **settings):
    jt.set_global_seed(seed)
    model = ToyNet(dropout)
    jt.sync_all()  # initial weights are drawn lazily: draw them before the seed is set again
    loader = loader or ToyLoader()
    groups = ParameterGroups().groups(model)
    make = {
        "SGD": lambda: SGD(groups, lr=0.05, momentum=0.9, weight_decay=1e-4, grad_clip=dict(max_norm=1.0)),
        "AdamW": lambda: AdamW(groups, lr=0.01, weight_decay=0.05),
    }[optimizer]
    scheduler = StepLR(milestones=[2], warmup="linear", warmup_iters=3, warmup_ratio=0.1)
    return Run(
        model=model, optimizer=make(), scheduler=scheduler, loader=loader, total=epochs * len(loader), work_dir=str(work_dir),
        seed=seed, batch_size=loader.batch_size, **settings,
    )  # fmt: skip


def everything(run) -> dict:
    """All that training changes, as arrays."""
    jt.sync_all()
    found = {name: var.numpy() for name, var in run.model.state_dict().items()}
    found.update({name: var.numpy() for name, var in run.optimizer.state().items()})
    return found
