"""How the stability study learns: one network, one head a task, Adam on one flat vector."""

import argparse
import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from proximal import gram_of, proximal_step
from random_directions import random_directions
from torch import Tensor, nn

from vdfd_seg.distillation import (
    GradientMemory,
    MeanGradientEstimator,
    VariationalDistillationLoss,
    penalisable_parameters,
)
from vdfd_seg.models.preact_resnet import PreActResNet

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
DIVERGED = 1e12


@dataclass(frozen=True)
class Variant:
    """How tasks 2 and later are learned."""

    part: str
    weight: float = 0.0
    directions: str = ""
    scale: float = 1.0

    def __str__(self) -> str:
        if self.part == "finetune":
            return f"fine-tuning, lr × {self.scale:g}"
        return f"{self.part}, λ = {self.weight:g}, {self.directions}"


class FlatAdam:
    """Adam on all parameters as one vector, into which the parameters are made views.

    Keeps the second moment of the cross-entropy's gradient next to that of the whole gradient.
    """

    def __init__(self, params: dict[str, nn.Parameter]) -> None:
        self.params = params
        self.vector = torch.cat([p.detach().flatten() for p in params.values()])
        for name, part in self.by_name(self.vector).items():
            params[name].data = part
        self.reset()

    def reset(self) -> None:
        self.first, self.second, self.second_ce = torch.zeros(3, len(self.vector)).unbind()
        self.count = 0

    def by_name(self, vector: Tensor) -> dict[str, Tensor]:
        """A vector of all entries as views in the parameters' shapes."""
        parts = vector.split([p.numel() for p in self.params.values()])
        named = zip(self.params.items(), parts, strict=True)
        return {name: part.view(p.shape) for (name, p), part in named}

    def gradient(self, value: Tensor) -> Tensor:
        """Gradient of a scalar by all entries; that by other leaves is accumulated as usual."""
        for parameter in self.params.values():
            parameter.grad = None
        value.backward()
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params.values()]
        return torch.cat([grad.flatten() for grad in grads])

    def step(
        self,
        lr: float,
        ce: Tensor,
        penalty: "float | Tensor" = 0.0,
        factor: "float | Tensor" = 1.0,
    ) -> None:
        """One step along the gradients of cross-entropy plus penalty, times ``factor``."""
        self.count += 1
        self.first.lerp_(ce + penalty, 1 - BETA1)
        self.second.lerp_((ce + penalty) ** 2, 1 - BETA2)
        self.second_ce.lerp_(ce**2, 1 - BETA2)
        mean = self.first / (1 - BETA1**self.count)
        self.vector -= lr * factor * mean / self.root(self.second)

    def root(self, second: Tensor) -> Tensor:
        """Adam's denominator."""
        return (second / (1 - BETA2**self.count)).sqrt() + EPS


def largest_curvature(loss: VariationalDistillationLoss, step_sizes) -> float:
    """Largest eigenvalue of ``step_sizes * (Hessian of the quadratic term)``."""
    with torch.no_grad():
        gram = gram_of(loss, step_sizes)
        root = torch.block_diag(*loss.latents().double())
        return 2 * float(torch.linalg.eigvalsh(root.t() @ gram @ root)[-1])


def reach(memories: Sequence[GradientMemory]) -> float:
    """Root of ``sum |A_c|_1^2`` over all old classes, A_c the gradient of displacement c.

    An Adam step moves every entry by about lr, hence a displacement by at most lr * |A_c|_1.
    """
    total = 0.0
    for memory in memories:
        rows = sum(
            layout.entries * memory.mean_gradient(name).abs().sum(0)
            for name, layout in memory.layouts.items()
        )
        total += float(rows.square().sum())
    return math.sqrt(total)


class Learner:
    """A network with its heads and memories, and how it learns the next task."""

    def __init__(self, args: argparse.Namespace, tasks: list[dict], seed: int) -> None:
        torch.manual_seed(seed)
        self.args, self.tasks, self.seed = args, tasks, seed
        channels = tasks[0]["train_images"].shape[1]
        self.net = PreActResNet(args.depths, args.widths, None, channels)
        self.classes = args.classes // args.tasks
        self.heads = [nn.Linear(self.net.num_features, self.classes, bias=False) for _ in tasks]
        self.adam = FlatAdam(penalisable_parameters(self.net, exclude=[]))
        self.memories: dict[str, list[GradientMemory]] = {"real": [], "random": []}
        self.anchors: list[dict] = []
        self.changes: list[list[Tensor]] = []
        self.accuracy: list[list[float]] = []
        self.log: list[dict[str, float]] = []
        self.factors: list[Tensor] = []
        self.diverged = False

    def copy(self) -> "Learner":
        """A copy; the adapters into the flat vector are made again."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if name not in ("args", "tasks", "seed", "classes", "adam"):
                setattr(other, name, copy.deepcopy(value))
        other.adam = FlatAdam(penalisable_parameters(other.net, exclude=[]))
        return other

    def learn(self, variant: Variant, factors: "float | list[Tensor]" = 1.0) -> None:
        """Learn the next task, test all tasks so far, and remember the new one.

        Args:
            variant: How.
            factors: For ``replay``: one for all weights and iterations, or those that another
                learner kept while it learned with the penalty.
        """
        args, task = self.args, len(self.accuracy)
        images, labels = (self.tasks[task][f"train_{kind}"] for kind in ("images", "labels"))
        torch.manual_seed(1000 * self.seed + task)
        # Of its own, so that all variants see the same batches.
        shuffle = torch.Generator().manual_seed(1000 * self.seed + task)
        self.adam.reset()
        loss, groups = None, [{"params": list(self.heads[task].parameters()), "lr": args.head_lr}]
        if variant.part not in ("finetune", "replay"):
            memories = self.memories[variant.directions]
            loss = VariationalDistillationLoss(memories, self.adam.params)
            groups.append({"params": list(loss.parameters()), "lr": args.gcn_lr})
            one_step = args.lr * reach(memories)
        others = torch.optim.Adam(groups)
        per_epoch = len(labels) // args.batch
        self.net.train()
        for iteration in range(args.epochs * per_epoch):
            position = iteration % per_epoch * args.batch
            if position == 0:
                order = torch.randperm(len(labels), generator=shuffle)
            batch = order[position : position + args.batch]
            progress = iteration / (args.epochs * per_epoch)
            lr = args.lr * variant.scale * 0.5 ** ((progress >= 3 / 8) + (progress >= 6 / 8))
            factor = factors[len(self.log)].float() if isinstance(factors, list) else factors
            others.zero_grad()
            ce = F.cross_entropy(self.heads[task](self.net(images[batch])), labels[batch])
            record = self._step(ce, loss, others, variant, lr, factor)
            if loss is not None:
                record["burst"] = math.sqrt(record["quadratic"]) / one_step
            if task:
                self.log.append(record)
        self._remember(task)
        self._test(task)

    def _step(self, ce, loss, others, variant, lr, factor) -> dict[str, float]:
        adam, penalty = self.adam, 0.0
        record = {"loss": float(ce.detach()), "ce": float(ce.detach())}
        gradient = adam.gradient(ce)
        implicit = variant.part.startswith("proximal")
        if loss is not None:
            displacement = loss.stacked_displacements()
            quadratic, log_det = loss.terms(displacement.detach() if implicit else displacement)
            # The GCN's optimiser is invariant to lambda, so its loss may do without.
            penalty = adam.gradient(quadratic - log_det)
            record["quadratic"] = float(quadratic.detach())
            if not record["quadratic"] < DIVERGED:
                raise FloatingPointError
            if not implicit:
                penalty *= variant.weight
                record["loss"] += variant.weight * record["quadratic"]
        adam.step(lr, gradient, penalty if variant.part == "gradient" else 0.0, factor)
        others.step()
        if variant.part == "replay":
            record["shrink"] = float(torch.as_tensor(factor).median())
        if loss is None:
            return record
        step_sizes = lr
        if variant.part in ("gradient", "proximal-adam"):
            step_sizes = adam.by_name(lr / adam.root(adam.second))
        if variant.part == "gradient":
            shrink = adam.root(adam.second_ce) / adam.root(adam.second)
            record["shrink"] = float(shrink.median())
            # A few weights, whose two gradients cancel, have factors in the thousands: in a
            # replay, where nothing cancels, such steps would wreck the network.
            self.factors.append(shrink.clamp_max(1).bfloat16())
        elif variant.part == "decoupled":
            adam.vector -= lr * penalty
        if implicit:
            proximal_step(loss, variant.weight, step_sizes)
        elif len(self.log) % 5 == 0:
            record["edge"] = variant.weight * largest_curvature(loss, step_sizes)
        return record

    def _remember(self, task: int) -> None:
        """The task's memories; before, how far the old mean logits moved, as told and in truth."""
        self.net.eval()
        if task:
            loss = VariationalDistillationLoss(self.memories["real"], self.adam.params, "identity")
            told = loss.displacements()
            changes = [self._change(old, told[old].detach()) for old in range(task)]
            self.changes.append([torch.cat(each) for each in zip(*changes, strict=True)])
        with MeanGradientEstimator(self.net, self.adam.params, range(self.classes)) as estimator:
            for images in self._some_images(task):
                estimator.update(lambda x: self.heads[task](self.net(x)), images)
            memory = estimator.compute(self.args.rank, self.heads[task].weight)
        control = random_directions(memory, self.adam.params, 100 * self.seed + task)
        self.memories["real"].append(memory)
        self.memories["random"].append(control)
        anchor = {"weights": self.adam.vector.clone(), "gradient": self._whole_gradient(task)}
        anchor["buffers"] = [buffer.clone() for buffer in self.net.buffers()]
        self.anchors.append(anchor | {"logits": self._mean_logits(task)})

    def _change(self, task: int, told: Tensor) -> tuple[Tensor, ...]:
        """Change of an old task's mean logits ``(C,)``: by its memory, by the whole gradients,
        in truth with that task's batch-norm statistics, and in truth."""
        anchor = self.anchors[task]
        whole = anchor["gradient"] @ (self.adam.vector - anchor["weights"])
        true = self._mean_logits(task) - anchor["logits"]
        present = [buffer.clone() for buffer in self.net.buffers()]
        self._set_buffers(anchor["buffers"])
        held = self._mean_logits(task) - anchor["logits"]
        self._set_buffers(present)
        return told, whole, held, true

    def _set_buffers(self, values: Sequence[Tensor]) -> None:
        for buffer, value in zip(self.net.buffers(), values, strict=True):
            buffer.copy_(value)

    def _whole_gradient(self, task: int) -> Tensor:
        """Gradient of the mean logits, neither averaged over kernels nor compressed: ``(C, n)``."""
        images = torch.cat(list(self._some_images(task)))[:512]
        mean = self.heads[task](self.net(images)).mean(0)
        leaves = list(self.adam.params.values())
        rows = [torch.autograd.grad(value, leaves, retain_graph=True) for value in mean]
        return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])

    def _some_images(self, task: int) -> Sequence[Tensor]:
        return self.tasks[task]["train_images"][:: self.args.memory_stride].split(256)

    @torch.no_grad()
    def _mean_logits(self, task: int) -> Tensor:
        parts = [self.heads[task](self.net(images)) for images in self._some_images(task)]
        return torch.cat(parts).mean(0)

    @torch.no_grad()
    def _test(self, last: int) -> None:
        self.net.eval()
        row = []
        for task, data in enumerate(self.tasks[: last + 1]):
            parts = data["test_images"].split(500)
            found = torch.cat([self.heads[task](self.net(part)).argmax(1) for part in parts])
            row.append(100 * float((found == data["test_labels"]).float().mean()))
        self.accuracy.append(row)

    def results(self) -> dict[str, float]:
        """The columns of the tables, all undefined after divergence."""
        if self.diverged:
            return {}
        last, learned = self.accuracy[-1], [row[-1] for row in self.accuracy]
        changes = [torch.cat(each).double().numpy() for each in zip(*self.changes, strict=True)]
        out = {
            "ACC": np.mean(last),
            "BWT": np.mean(np.subtract(last, learned)[:-1]),
            "new": np.mean(learned[1:]),
        }
        for name, change in zip(("memory", "whole", "held", "true"), changes, strict=True):
            out[name] = np.sqrt(np.mean(change**2))
            out[f"{name}, correlation"] = np.corrcoef(change, changes[2])[0, 1]
        kept = (("shrink", "shrink", np.median), ("edge", "edge", np.median))
        for column, key, by in (*kept, ("peak", "loss", np.max), ("burst", "burst", np.max)):
            values = [record[key] for record in self.log if key in record]
            out[column] = by(values) if values else math.nan
        return {column: float(value) for column, value in out.items()}


def run(start: Learner, variant: Variant, factors: "float | list[Tensor]" = 1.0) -> Learner:
    learner = start.copy()
    try:
        for _ in learner.tasks[1:]:
            learner.learn(variant, factors)
    except FloatingPointError:
        learner.diverged = True
    return learner
