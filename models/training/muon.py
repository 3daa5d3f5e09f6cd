"""Muon: momentum whose matrix updates are made orthogonal by a Newton-Schulz iteration."""

import collections

import torch


def orthogonalize(matrices, steps=4):
    """Brings all singular values of a batch of matrices close to one."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16()
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Every leading dimension of a parameter counts as a batch of matrices (the experts)."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            gradients = [p.grad for p in parameters]
            buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in parameters]
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_add_(buffers, gradients, alpha=1 - group["momentum"])
            # Nesterov: look one step ahead along the momentum.
            updates = torch._foreach_mul(buffers, group["momentum"])
            torch._foreach_add_(updates, gradients, alpha=1 - group["momentum"])
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            by_shape = collections.defaultdict(list)
            for parameter, update in zip(parameters, updates):
                by_shape[parameter.shape[-2:]].append((parameter, update))
            for shape, entries in by_shape.items():
                batch = torch.cat([update.reshape(-1, *shape) for _, update in entries])
                directions = orthogonalize(batch).float()
                # Gives updates about the size of AdamW's, whatever the shape.
                scale = -group["lr"] * 0.2 * max(shape) ** 0.5
                parts = directions.split([p.numel() // (shape[0] * shape[1]) for p, _ in entries])
                torch._foreach_add_(
                    [p for p, _ in entries],
                    [part.reshape(p.shape) for part, (p, _) in zip(parts, entries)],
                    alpha=scale,
                )
