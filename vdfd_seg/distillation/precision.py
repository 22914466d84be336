"""The precision of the old outputs, from a graph of their classes (the paper's formula 4).

``Sigma_i^-1 = P^M (P^M).T + eps I``: the rows of ``P^M`` are the latent vectors that a graph
convolutional network gives the nodes, one node per class.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vdfd_seg.distillation.gcn import TINY, PrecisionGCN, class_graph
from vdfd_seg.distillation.precision_terms import PrecisionTerms
from vdfd_seg.errors import InputError, unknown_name

PRECISIONS = ("gcn", "identity")
"""The GCN's, and the identity matrix: DFD."""


class TaskPrecisions(PrecisionGCN):
    """A :class:`PrecisionGCN` with the class graphs of some tasks: ``P_i = P^M_i (P^M_i).T``.

    Args:
        prototypes: For each task its classifier rows ``(C_i, d)``.
        **options: See :class:`PrecisionGCN`.

    Attributes:
        sizes: Number of classes of each task.

    Raises:
        InputError: For rows of different lengths, naming them.
    """

    graph_features: Tensor
    graph_smoothed: Tensor
    graph_adjacency: Tensor
    graph_floor: Tensor

    def __init__(self, prototypes: Sequence[Tensor], **options: Any) -> None:
        widths = {rows.shape[1] for rows in prototypes}
        if len(widths) != 1:
            raise InputError(
                f"the GCN precision needs prototypes of one length for every task; found lengths "
                f"{sorted(widths)}."
            )
        super().__init__(widths.pop(), **options)
        self.sizes = [len(rows) for rows in prototypes]
        tasks, classes = len(self.sizes), max(self.sizes)
        features = torch.zeros(tasks, classes, self.conv1.in_channels)
        adjacency = torch.zeros(tasks, classes, classes)
        # Divided by an infinite length, the rows of classes that a task lacks are zero.
        floor = torch.full((tasks, classes, 1), math.inf)
        for task, (rows, size) in enumerate(zip(prototypes, self.sizes, strict=True)):
            graph = class_graph(rows)
            features[task, :size] = graph.x
            adjacency[task, :size, :size] = graph.edge_attr.view(size, size)
            floor[task, :size] = TINY**0.5
        smoothed = torch.bmm(adjacency, features).flatten(0, 1)
        self.register_buffer("graph_features", features, persistent=False)
        self.register_buffer("graph_smoothed", smoothed, persistent=False)
        self.register_buffer("graph_adjacency", adjacency, persistent=False)
        self.register_buffer("graph_floor", floor, persistent=False)

    def forward(self) -> Tensor:  # type: ignore[override]
        """``P^M`` of the tasks ``(T, C, out_channels)``, zero-padded, by PyTorch Geometric."""
        from torch_geometric.data import Batch, Data

        graphs = []
        for task, size in enumerate(self.sizes):
            edges = torch.cartesian_prod(*[torch.arange(size, device=self.graph_floor.device)] * 2)
            weights = self.graph_adjacency[task, :size, :size].flatten()
            features = self.graph_features[task, :size]
            graphs.append(Data(x=features, edge_index=edges.t(), edge_attr=weights))
        return super().forward(Batch.from_data_list(graphs))

    def terms(self, moved: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """``sum_i |P^M_i.T moved_i|^2`` and ``sum_i log det(P_i + eps I)``, by closed formulas.

        The same as from :meth:`forward`, in fewer operations:
        see :class:`~vdfd_seg.distillation.precision_terms.PrecisionTerms`.

        Args:
            moved: ``(T, C, n)`` n vectors for each task, padded with whatever is finite.
            eps: The epsilon of the paper's formula 4.
        """
        parameters = (self.conv1.lin.weight, self.conv1.bias, self.conv2.lin.weight)
        return PrecisionTerms.apply(self, eps, moved, *parameters, self.conv2.bias)


@dataclass(frozen=True)
class GCN:
    """A learned precision, as a config describes it: ``dict(type='GCN', lr=7e-4, ...)``.

    Args:
        lr: Learning rate of the GCN's own Adam (default the paper's CIFAR-100 recipe); a schedule
            of the network's applies to it, too.
        weight_decay: Its weight decay.
        widths: Hidden and output width. Default d/16 and d/8 for prototypes of width d.
        residual: Add the GCN's input to its output; needs ``widths=(d, d)``.

    Raises:
        InputError: For a number out of its range.
    """

    lr: float = 7e-4
    weight_decay: float = 5e-4
    widths: tuple[int, int] | None = None
    residual: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise InputError(f"precision GCN: lr={self.lr!r} must be above 0.")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(
                f"precision GCN: weight_decay={self.weight_decay!r} must not be negative."
            )
        if self.widths is not None and (len(self.widths) != 2 or min(self.widths) < 1):
            raise InputError(f"precision GCN: widths={self.widths!r} must be two widths.")

    def build(self, prototypes: Sequence[Tensor]) -> TaskPrecisions:
        """The GCN for the classes of some tasks."""
        hidden, out = self.widths or (None, None)
        return TaskPrecisions(
            prototypes, hidden_channels=hidden, out_channels=out, residual=self.residual
        )

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """What trains it."""
        return torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True)


Precision = str | Mapping[str, Any] | GCN
"""``'gcn'``, ``'identity'``, a :class:`GCN` or a dict with ``type='GCN'`` and options of it."""


def precision_of(cfg: Precision) -> GCN | None:
    """The precision that a config describes, None for the identity.

    Raises:
        InputError: For an unknown type or option.
    """
    if isinstance(cfg, GCN):
        return cfg
    options = dict(cfg) if isinstance(cfg, Mapping) else {"type": cfg}
    kind = options.pop("type", None)
    if str(kind).lower() not in PRECISIONS:
        raise unknown_name("precision", kind, PRECISIONS)
    if str(kind).lower() == "identity":
        if options:
            raise InputError(f"precision identity has no options, but {sorted(options)} are set.")
        return None
    try:
        return GCN(**options)
    except TypeError as error:
        raise InputError(f"precision GCN: {error}") from error
