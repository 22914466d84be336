#!/usr/bin/env python
"""Measure what the distillation loss and its gradient memory cost.

    python tools/studies/benchmark_distillation.py estimation
    python tools/studies/benchmark_distillation.py loss --network resnet18

``estimation`` times the mean gradients of DeepLabV3-ResNet-50 with probes, for several chunks of
classes, next to one plain backward pass per class. ``loss`` times the loss and its backward pass
next to a plain training step and the plainly written loss, which expands every gradient over
the kernel for each class and task. Each prints a Markdown table; times are the best of the
repeats.
"""

import argparse
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.distillation import (
    GradientMemory,
    MeanGradientEstimator,
    VariationalDistillationLoss,
    penalisable_parameters,
)
from vdfd_seg.distillation.kernels import layouts_of
from vdfd_seg.models.preact_resnet import PreActResNet

MEBI = 2**20


class DeepLabV3(nn.Module):
    """mmsegmentation's DeepLabV3 without its auxiliary head; low-resolution logits."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        from mmseg.registry import MODELS
        from mmseg.utils import register_all_modules

        register_all_modules()
        norm = {"type": "BN", "requires_grad": True}
        self.backbone = MODELS.build(
            {
                "type": "ResNetV1c",
                "depth": 50,
                "dilations": (1, 1, 2, 4),
                "strides": (1, 2, 1, 1),
                "norm_cfg": norm,
                "contract_dilation": True,
            }
        )
        self.decode_head = MODELS.build(
            {
                "type": "ASPPHead",
                "in_channels": 2048,
                "in_index": 3,
                "channels": 512,
                "dilations": (1, 12, 24, 36),
                "num_classes": num_classes,
                "norm_cfg": norm,
                "align_corners": False,
                "loss_decode": {"type": "CrossEntropyLoss"},
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.decode_head(self.backbone(images))


class PeakMemory:
    """Growth of the resident memory (CPU) or the peak of allocated memory (GPU), in bytes."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @staticmethod
    def _resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.peak = max(self.peak, self._resident())

    def __enter__(self) -> "PeakMemory":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            # Memory that the allocator holds back would hide what the call takes.
            if sys.platform == "linux":
                ctypes.CDLL(None).malloc_trim(0)
            self.before = self.peak = self._resident()
            self._done = threading.Event()
            self._thread = threading.Thread(target=self._watch)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.device.type == "cuda":
            self.peak = torch.cuda.max_memory_allocated()
        else:
            self._done.set()
            self._thread.join()
        self.bytes = self.peak - self.before


def measure(
    function: Callable[[], object], repeats: int, device: torch.device
) -> tuple[float, int]:
    """Best time in seconds, and peak memory in bytes, of a call."""
    times, peaks = [], []
    for _ in range(repeats):
        with PeakMemory(device) as memory:
            start = time.perf_counter()
            function()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        peaks.append(memory.bytes)
    return min(times), max(peaks)


def plain_mean_gradients(module: nn.Module, params: dict, images: Tensor, classes: int) -> dict:
    """Kernel means of the mean logits' gradients, by one backward pass per class."""
    means = module(images).float().mean((0, 2, 3))
    rows = []
    for index in range(classes):
        gradients = torch.autograd.grad(means[index], list(params.values()), retain_graph=True)
        rows.append([g.flatten(1).mean(1) if g.ndim > 1 else g for g in gradients])
    columns = (torch.stack(each, 1) for each in zip(*rows, strict=True))
    return dict(zip(params, columns, strict=True))


def benchmark_estimation(args: argparse.Namespace, device: torch.device) -> None:
    module = DeepLabV3(21).to(device)
    params = penalisable_parameters(module)
    size = (args.batch or 1, 3, args.image_size, args.image_size)
    images = torch.randn(size, device=device)
    classes = args.timed_classes
    results: dict[int, dict] = {}

    def with_probes(chunk: int) -> None:
        estimator = MeanGradientEstimator(module, params, range(classes), chunk=chunk)
        with estimator:
            estimator.update(module, images)
        results[chunk] = estimator.mean_gradients()

    def plainly() -> None:
        module.eval()
        results[0] = plain_mean_gradients(module, params, images, classes)

    variants = {0: plainly, **{c: lambda c=c: with_probes(c) for c in args.chunks}}
    seconds = dict.fromkeys(variants, float("inf"))
    processor, peaks = dict(seconds), dict.fromkeys(variants, 0)
    for _ in range(args.repeats):
        # Interleaved, and with the processor's time as well: a busy machine slows some runs more.
        for chunk, function in variants.items():
            start = time.process_time()
            wall, peak = measure(function, 1, device)
            processor[chunk] = min(processor[chunk], time.process_time() - start)
            seconds[chunk] = min(seconds[chunk], wall)
            peaks[chunk] = max(peaks[chunk], peak)
    print(f"DeepLabV3-ResNet-50, {tuple(size)}, {classes} classes differentiated\n")
    print("| | seconds | faster | processor seconds | faster | peak MiB | error |")
    print("|---|---|---|---|---|---|---|")
    for chunk in variants:
        error = max(
            float((results[chunk][n] - results[0][n]).norm() / results[0][n].norm()) for n in params
        )
        name = f"probes, chunk {chunk}" if chunk else "one backward pass per class"
        print(
            f"| {name} | {seconds[chunk]:.2f} | {seconds[0] / seconds[chunk]:.2f} "
            f"| {processor[chunk]:.2f} | {processor[0] / processor[chunk]:.2f} "
            f"| {peaks[chunk] / MEBI:.0f} | {error:.1e} |"
        )


def random_memory(module: nn.Module, params: dict, classes: int, features: int) -> GradientMemory:
    layouts = layouts_of(module, params)
    device = next(iter(params.values())).device
    return GradientMemory(
        left={n: torch.randn(each.filters, 1, device=device) for n, each in layouts.items()},
        right={n: 1e-3 * torch.randn(1, classes, device=device) for n in layouts},
        layouts=layouts,
        projection_star=torch.zeros(classes, dtype=torch.float64, device=device),
        outputs=list(range(classes)),
        prototypes=torch.randn(classes, features, device=device),
    )


def expanded_loss(loss: VariationalDistillationLoss, memories: Sequence[GradientMemory]) -> Tensor:
    """The same loss, each gradient expanded over kernel, class and task."""
    total = 0.0
    for memory, precision in zip(memories, loss.precisions(), strict=True):
        projection = -memory.projection_star.float()
        for name, parameter in loss.params.items():
            gradient = memory.mean_gradient(name).t()
            shape = gradient.shape + (1,) * (parameter.ndim - 1)
            full = gradient.reshape(shape).expand(-1, *parameter.shape)
            projection = projection + (full * parameter).flatten(1).sum(1)
        eye = loss.eps * torch.eye(len(precision), device=precision.device)
        total = total + projection @ precision @ projection - torch.logdet(precision + eye)
    return total


def benchmark_loss(args: argparse.Namespace, device: torch.device) -> None:
    if args.network == "resnet18":
        module, classes, exclude, batch, side = PreActResNet(), 10, ["linear"], 32, 32
    else:
        module, classes, exclude, batch, side = DeepLabV3(21), 21, None, 2, args.image_size
    module = module.to(device)
    params = penalisable_parameters(module, *([exclude] if exclude else []))
    batch = args.batch or batch
    images = torch.randn(batch, 3, side, side, device=device)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        logits = module(images)
        target = torch.zeros(logits[:, 0].shape, dtype=torch.long, device=device)
        F.cross_entropy(logits, target).backward()
        optimizer.step()

    step()
    step_time, step_peak = measure(step, args.repeats, device)

    def floor() -> None:
        """Read every penalised weight once, read and write its gradient once."""
        for parameter in params.values():
            parameter.detach().sum()
            parameter.grad.add_(1.0)

    floor_time, _ = measure(floor, 5 * args.repeats, device)
    memory = random_memory(module, params, classes, 512)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    gradients = memory.numbers - memory.prototypes.numel()
    print(f"{args.network}, batch {batch}, {side}x{side}, {parameters / 1e6:.1f} M parameters")
    print(
        f"memory of a task: {memory.nbytes} bytes, {gradients} numbers of gradients "
        f"and {memory.numbers - gradients} of prototypes; "
        f"{100 * gradients / parameters:.3f} % and "
        f"{100 * memory.numbers / parameters:.3f} % of the network\n"
    )
    print("| | old tasks | ms | over the plain step | peak MiB |\n|---|---|---|---|---|")

    def row(name: str, tasks: object, seconds: float, peak: int | None) -> None:
        share = f"{100 * seconds / step_time:+.2f} %" if tasks != "" else ""
        memory_text = "" if peak is None else f"{peak / MEBI:.0f}"
        print(f"| {name} | {tasks} | {1e3 * seconds:.1f} | {share} | {memory_text} |", flush=True)

    row("plain training step", "", step_time, step_peak)
    row("memory-bandwidth floor", "any", floor_time, None)
    for tasks in args.tasks:
        memories = [random_memory(module, params, classes, 512) for _ in range(tasks)]
        loss = VariationalDistillationLoss(memories, params)

        def ours(loss: VariationalDistillationLoss = loss) -> None:
            loss().backward()

        ours()
        row("loss and backward", tasks, *measure(ours, 5 * args.repeats, device))
    for tasks in args.expanded_tasks:
        memories = [random_memory(module, params, classes, 512) for _ in range(tasks)]
        loss = VariationalDistillationLoss(memories, params)

        def expanded(loss: VariationalDistillationLoss = loss, memories: list = memories) -> None:
            expanded_loss(loss, memories).backward()

        row("plainly written loss", tasks, *measure(expanded, 1, device))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["estimation", "loss"])
    parser.add_argument("--network", choices=["resnet18", "resnet50"], default="resnet18")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads; default PyTorch's")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, help="default: 1 (estimation), 32 or 2 (loss)")
    parser.add_argument("--image-size", type=int, default=256, help="of ResNet-50's images")
    parser.add_argument("--timed-classes", type=int, default=21, help="of the 21, differentiated")
    parser.add_argument("--chunks", type=int, nargs="+", default=[1, 2, 4, 8, 21])
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 5, 10, 20])
    parser.add_argument("--expanded-tasks", type=int, nargs="*", default=[1, 4])
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    parts = {
        "estimation": benchmark_estimation,
        "loss": benchmark_loss,
    }
    parts[args.part](args, device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
