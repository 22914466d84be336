"""The mathematics once more, written plainly and independently of the package.

One backward pass per class with whole weight gradients, averages by the definition, and the loss
with gradients expanded over the kernel as in the paper's formula 3.
"""

import torch
import torch.nn.functional as F
from torch import nn


def mean_gradients(module, params, forward, batches, outputs):
    """{name: (C, *shape)}: gradient of each class's mean logit; {} entries unreached are zero."""
    training = module.training
    module.eval()
    double = {"dtype": torch.float64}
    sums = {name: torch.zeros(len(outputs), *p.shape, **double) for name, p in params.items()}
    pixels = 0
    for inputs in batches:
        logits = forward(inputs)
        pixels += logits[:, 0].numel()
        for i, output in enumerate(outputs):
            grads = torch.autograd.grad(
                logits[:, output].sum(), list(params.values()), retain_graph=True, allow_unused=True
            )
            for name, grad in zip(params, grads):
                if grad is not None:
                    sums[name][i] += grad
    module.train(training)
    return {name: total / pixels for name, total in sums.items()}


def per_filter_mean(gradient, transposed_groups=0):
    """(C, *shape) -> (d, C), mean over all but the filters."""
    if transposed_groups:
        g = transposed_groups
        c, cin, cout = gradient.shape[:3]
        out = torch.zeros(c, g * cout, dtype=gradient.dtype)
        for group in range(g):
            rows = gradient[:, group * cin // g : (group + 1) * cin // g]
            out[:, group * cout : (group + 1) * cout] = rows.transpose(1, 2).flatten(2).mean(2)
        return out.t()
    if gradient.ndim > 2:
        gradient = gradient.flatten(2).mean(2)
    return gradient.reshape(len(gradient), -1).t()


def expanded(kernel_mean, parameter, transposed_groups=0):
    """(d, C) kernel means broadcast back over the kernel: (C, *shape)."""
    out = torch.zeros(kernel_mean.shape[1], *parameter.shape, dtype=kernel_mean.dtype)
    if transposed_groups:
        cin, cout = parameter.shape[:2]
        per_group = cin // transposed_groups
        for i in range(cin):
            for o in range(cout):
                row = kernel_mean[(i // per_group) * cout + o]
                out[:, i, o] = row.view(-1, *[1] * (parameter.ndim - 2))
        return out
    if parameter.ndim == 0:
        return kernel_mean.flatten()
    return out + kernel_mean.t().reshape(-1, parameter.shape[0], *[1] * (parameter.ndim - 1))


def precision(prototypes, gcn, residual=False):
    """P without eps, from the GCN's four tensors."""
    x = F.normalize(prototypes, dim=1)
    adjacency = x @ x.T + torch.eye(len(x), dtype=x.dtype)
    root = adjacency.sum(0).pow(-0.5)
    root = torch.diag(torch.nan_to_num(root, nan=0.0, posinf=0.0))
    a_hat = root @ adjacency @ root
    hidden = F.relu(F.linear(a_hat @ x, gcn["conv1.lin.weight"], gcn["conv1.bias"]))
    z = F.linear(a_hat @ hidden, gcn["conv2.lin.weight"], gcn["conv2.bias"])
    z = F.normalize(z + x if residual else z, dim=1)
    return z @ z.T


def loss(memories, params, gcn=None, eps=1e-3, residual=False):
    """sum over tasks of the quadratic term, and of log det(P + eps I)."""
    quadratic = log_det = 0.0
    for memory in memories:
        displacement = -memory.projection_star.to(next(iter(params.values())).dtype)
        for name in memory.left:
            layout = memory.layouts[name]
            mean = memory.left[name].double() @ memory.right[name].double()
            full = expanded(mean, params[name], layout.groups).to(params[name].dtype)
            displacement = displacement + (full * params[name]).reshape(len(full), -1).sum(1)
        if memory.classifier:
            part = memory.classifier
            weight = params[part["names"][0]][memory.outputs].flatten(1)
            displacement = displacement + ((weight - part["rows"]) * part["mean_feature"]).sum(1)
            if len(part["names"]) > 1:
                bias = params[part["names"][1]][memory.outputs]
                displacement = displacement + bias - part["bias"]
        size = len(displacement)
        eye = torch.eye(size, dtype=displacement.dtype)
        if gcn is None:
            quadratic = quadratic + displacement @ displacement
            continue
        p = precision(memory.prototypes.to(displacement.dtype), gcn, residual)
        quadratic = quadratic + displacement @ p @ displacement
        log_det = log_det + torch.logdet(p + eps * eye)
    return quadratic, log_det


class Zoo(nn.Module):
    """Every kind of layer a memory covers, with in-place activations and a module called twice."""

    def __init__(self, classes=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, (3, 1), padding=(1, 0), groups=4)
        self.dilated = nn.Conv2d(12, 8, 3, padding="same", dilation=2)
        self.gn = nn.GroupNorm(2, 8)
        self.strided = nn.Conv2d(8, 8, 3, stride=2, padding=1, padding_mode="reflect")
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, padding_mode="circular")
        self.sync = nn.SyncBatchNorm(8)
        self.twice = nn.Conv2d(8, 8, 1)
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.instance = nn.InstanceNorm2d(6, affine=True, track_running_stats=True)
        self.layer = nn.LayerNorm(6)
        self.linear = nn.Linear(6, 10)
        self.area = nn.LayerNorm([10, 1])
        self.frozen = nn.Linear(10, 10)
        self.frozen.requires_grad_(False)
        self.unused = nn.Conv2d(3, 2, 1)
        self.scale = nn.Parameter(torch.tensor(1.3))
        self.head = nn.Conv2d(10, classes, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.act(self.bn(self.stem(x)))
        x = self.act(self.grouped(x))
        x = self.act(self.gn(self.dilated(x)))
        x = self.act(self.strided(x))
        x = self.sync(self.depthwise(x))
        x = self.act(self.twice(self.act(self.twice(x))))
        # As large as its output padding makes it.
        x = self.act(self.instance(self.up(x, output_size=[2 * size for size in x.shape[2:]])))
        x = x.permute(0, 2, 3, 1)
        x = self.act(self.linear(self.layer(x)))
        x = self.area(x.unsqueeze(-1)).squeeze(-1)
        x = self.frozen(x) * self.scale
        return self.head(x.permute(0, 3, 1, 2))


def zoo(seed=0, classes=4):
    """A Zoo with statistics and affine parameters away from their initial values."""
    torch.manual_seed(seed)
    module = Zoo(classes)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
            elif name.endswith("running_mean"):
                buffer.normal_(std=0.2)
    return module
