"""RoIConv (AlignDet, Chen et al. 2019, equation 4) in PyTorch, as jsra.roi.align_conv.RoIConv computes it.

This file needs only PyTorch and torchvision, no other file of this folder.
"""

import torch
from torch import nn
from torchvision.ops import deform_conv2d


class RoIConv(nn.Module):
    """A convolution whose taps are at the centres of kh x kw equal parts of the box of each position.

    forward(x [B, in_channels, H, W], boxes [B, H * W * A, 4], stride) -> [B * A, out_channels, H, W]. Boxes are corners in
    pixels, ordered by position (row by row), then box; stride: pixels per cell. The boxes get no gradient.
    kernel_size: odd, an int or (rows, columns). State: weight, bias.
    """

    def __init__(self, in_channels=256, out_channels=256, kernel_size=3):
        super().__init__()
        self.kernel_size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *self.kernel_size) * 0.01)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x, boxes, stride):
        images, _, height, width = x.shape
        each = boxes.detach().reshape(images, height, width, -1, 4) / stride
        padding = (self.kernel_size[0] // 2, self.kernel_size[1] // 2)
        outs = []
        for i in range(each.shape[3]):
            offset = self.offset(each[:, :, :, i])
            outs.append(deform_conv2d(x, offset, self.weight, self.bias, padding=padding))
        return torch.stack(outs, 1).flatten(0, 1)

    def offset(self, boxes):
        """Boxes in cells [B, H, W, 4] -> [B, 2 * taps, H, W]: the offset of each tap (row by row), y then x."""
        rows, columns = self.kernel_size
        x0, y0, x1, y1 = boxes.unbind(3)
        cell_y = torch.arange(boxes.shape[1], device=boxes.device)[:, None]
        cell_x = torch.arange(boxes.shape[2], device=boxes.device)
        moves = []
        for i in range(rows):
            for j in range(columns):
                # The centre of a cell is at its index + 0.5, tap (i, j) of the convolution at its index + i - rows // 2.
                sample_y = y0 + (y1 - y0) * (i + 0.5) / rows - 0.5
                sample_x = x0 + (x1 - x0) * (j + 0.5) / columns - 0.5
                moves += [sample_y - (cell_y + i - rows // 2), sample_x - (cell_x + j - columns // 2)]
        return torch.stack(moves, 1)
