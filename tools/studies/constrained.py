"""Many functionals of the weights in place of the mean gradient: constrained, or penalised."""

import torch

from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.importance import penalised
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class Constrained(Method):
    """See README.md. A resumed step is not the uninterrupted one."""

    def __init__(self, of="classes", images=500, rank=100, filters=False, random=False, weight=0.0):
        super().__init__()
        self.of, self.images, self.rank = of, images, rank
        self.filters, self.random, self.weight = filters, random, weight

    def before_task(self, context):
        self.later = context.step > 0
        if self.later:
            rows = context.carried["rows"].to(context.device).float()
            self.start = self._flat(penalised(context.adapter).values()).clone()
            if self.weight:
                self.rows = rows * context.carried["norms"].to(rows)[:, None]
            else:  # An orthonormal basis of what must not change.
                self.basis = torch.linalg.qr(rows.T).Q

    def extra_losses(self, adapter, outputs, samples):
        if not (self.later and self.weight):
            return {}
        change = self._flat(penalised(adapter).values()) - self.start
        return {"loss_constraint": self.weight / 2 * (self.rows @ change).square().sum()}

    @torch.no_grad()
    def after_update(self, adapter, learning_rate):
        if self.later and not self.weight:
            parameters = list(penalised(adapter).values())
            change = self._flat(parameters) - self.start
            kept = self.start + change - self.basis @ (self.basis.T @ change)
            parts = kept.split([p.numel() for p in parameters])
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.copy_(part.view_as(parameter))

    def after_task(self, context):
        context.adapter.network.eval()
        rows = torch.stack(self._rows(context))
        if self.of == "images":  # The strongest directions, rows.T @ rows being their sum.
            values, vectors = torch.linalg.eigh(rows @ rows.T / len(rows))
            keep = values > 1e-6 * values[-1]
            rows = vectors[:, keep].T[-self.rank :] @ rows / len(rows) ** 0.5
        norms = rows.norm(dim=1)
        if self.random:
            rows = torch.stack([self._flat(self._like_gradients(context.adapter)) for _ in rows])
        rows = (rows / rows.norm(dim=1, keepdim=True)).half()
        old = context.carried
        return {
            "rows": torch.cat([old["rows"].to(rows), rows]) if old else rows,
            "norms": torch.cat([old["norms"].to(norms), norms]) if old else norms,
        }

    def _rows(self, context):
        """Gradients: of each class's mean logit at each class, or of each image's likelihood."""
        parameters = list(penalised(context.adapter).values())
        size = context.protocol.task_sizes(context.step)[-1]
        batches = list(context.batches(limit=self.images))
        inputs = torch.cat([inputs for inputs, _ in batches])
        labels = torch.cat([samples.labels for _, samples in batches])
        if self.of == "images":
            groups = inputs.split(1)
        else:
            groups = [inputs[labels == label] for label in labels.unique()]
        found = []
        for group in groups:
            logits = context.adapter.logits(group)[:, -size:].float()
            outputs = logits.mean(0)
            if self.of == "images":
                outputs = logits.log_softmax(1).amax(1)
            for output in outputs:
                gradients = torch.autograd.grad(output, parameters, retain_graph=True)
                found.append(self._flat(gradients, self.filters))
        return found

    def _like_gradients(self, adapter):
        noise = [torch.randn_like(parameter) for parameter in penalised(adapter).values()]
        return self._flat(noise, self.filters).split([part.numel() for part in noise])

    @staticmethod
    def _flat(tensors, filters=False):
        """One vector; ``filters``: of each filter its mean, for each of its weights."""
        if filters:
            tensors = [
                t.flatten(1).mean(1, keepdim=True).expand(len(t), t[0].numel()) if t.ndim > 1 else t
                for t in tensors
            ]
        return torch.cat([tensor.flatten() for tensor in tensors])
