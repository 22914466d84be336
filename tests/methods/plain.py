"""The formulas of the baselines once more, written plainly and independently of the package."""

import math

import torch
import torch.nn.functional as F


def softplus(value):
    return math.log1p(math.exp(value))


def at_labels(step, teacher):
    """The step's outputs, and both networks' logits at the resolution of the labels."""
    outputs = step.adapter.outputs(step.inputs)
    with torch.no_grad():
        old = teacher.encode_decode(step.inputs, [s.metainfo for s in step.samples])
    return outputs, F.interpolate(outputs.logits, (32, 32), mode="bilinear"), old


def maps_of_both(step, teacher, outputs):
    """What PLOP and RCIL compare: features, the classifier's input, and logits of old classes."""
    new, seen = [*outputs.features, outputs.embedding, outputs.logits], []
    handle = teacher.decode_head.conv_seg.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        features = teacher.extract_feat(step.inputs)
        logits = teacher.decode_head(features)
    handle.remove()
    old = [*features, *seen, logits]
    if new[-1].shape[1] == 3:
        # The one new class is what the old network calls background.
        new[-1] = torch.stack([new[-1][:, 0] + new[-1][:, 2], new[-1][:, 1]], 1)
    return new, old


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


def importances(network, batches, value, reduce, training):
    """{name: mean over images of reduce(gradient of a batch's mean value(logits of an image))}.

    The logits are of all heads. FACIL has batches and training mode; the definition one image.
    """
    network.train(training)
    params, images = body(network), 0
    sums = {name: torch.zeros(p.shape) for name, p in params.items()}
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
