"""The formulas of the baselines once more, written plainly and independently of the package."""

import torch
import torch.nn.functional as F


def images_of(data, samples, mean=(0.507, 0.487, 0.441), std=(0.267, 0.256, 0.276)):
    """Each training image alone, normalised: ``(1, 3, H, W)``."""
    for sample in samples:
        pixels = torch.tensor(data.source("train").images[sample.image]).permute(2, 0, 1) / 255
        yield ((pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])[
            None
        ]


def body(network):
    """What the methods penalise: all but the heads."""
    return {n: p for n, p in network.named_parameters() if not n.startswith("heads")}


def mean_of_gradients(network, images, value, reduce):
    """{name: mean over images of reduce(gradient of value(logits of the image))}."""
    network.eval()
    params = body(network)
    sums = {name: torch.zeros(p.shape) for name, p in params.items()}
    count = 0
    for image in images:
        network.zero_grad()
        features = network.backbone(image)
        value(torch.cat([head(features) for head in network.heads], 1)[0]).backward()
        for name, parameter in params.items():
            sums[name] += reduce(parameter.grad)
        count += 1
    network.zero_grad()
    return {name: total / count for name, total in sums.items()}


def importances_of_facil(network, batches, value, reduce):
    """FACIL's loop: sum over batches of reduce(gradient of the mean) times the images, then
    over the number of images; in training mode, with the logits of all heads."""
    network.train()
    params = body(network)
    sums = {name: torch.zeros(p.shape) for name, p in params.items()}
    images = 0
    for batch in batches:
        network.zero_grad()
        features = network.backbone(batch)
        logits = torch.cat([head(features) for head in network.heads], 1)
        (sum(value(row) for row in logits) / len(logits)).backward()
        for name, parameter in params.items():
            sums[name] += reduce(parameter.grad) * len(batch)
        images += len(batch)
    network.zero_grad()
    return {name: total / images for name, total in sums.items()}


def cross_entropy_of_facil(outputs, targets, exp):
    """FACIL's ``cross_entropy``: both softmaxes to a power, divided by their sums again."""
    out, tar = F.softmax(outputs, 1), F.softmax(targets, 1)
    out, tar = out.pow(exp), tar.pow(exp)
    out = out / out.sum(1, keepdim=True)
    tar = tar / tar.sum(1, keepdim=True)
    return -(tar * out.log()).sum(1).mean()


def herding(features, count):
    """Each choice tries every example that is left."""
    mean, chosen = features.mean(0), []
    for _ in range(count):
        left = [i for i in range(len(features)) if i not in chosen]
        chosen.append(min(left, key=lambda i: (mean - features[[*chosen, i]].mean(0)).norm()))
    return chosen
