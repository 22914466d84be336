"""The precision of the old outputs, from a graph of their classes (the paper's formula 4).

``Sigma_i^-1 = P^M (P^M).T + eps I``: the rows of ``P^M`` are the latent vectors that a graph
convolutional network gives the nodes, one node per class.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.errors import InputError, unknown_name

if TYPE_CHECKING:
    # Elsewhere it is imported where it is used: it takes long, and only the GCN needs it.
    from torch_geometric.data import Data

PRECISIONS = ("gcn", "identity")
"""The GCN's, and the identity matrix: DFD."""

_TINY = 1e-12


def normalised_adjacency(features: Tensor) -> Tensor:
    """``D^-1/2 (A + I) D^-1/2`` for cosine similarities A of unit rows ``(C, d)``: ``(C, C)``.

    D are the column sums of A + I. As in the released code a class whose sum is negative has no
    root; its row and column are zero.
    """
    loops = features @ features.t() + torch.eye(len(features), dtype=features.dtype)
    degree = loops.sum(0)
    root = torch.where(degree > _TINY, degree.clamp_min(_TINY).rsqrt(), 0.0)
    return root[:, None] * loops * root


def class_graph(prototypes: Tensor) -> "Data":
    """The complete graph of a task's classes.

    Args:
        prototypes: ``(C, d)`` classifier rows.

    Returns:
        Graph with ``x`` ``(C, d)``, the rows divided by their lengths, ``edge_index``
        ``(2, C C)``, all pairs with self loops, and ``edge_attr`` ``(C C,)``, the normalised
        adjacency; float32, detached.
    """
    from torch_geometric.data import Data

    rows = prototypes.detach().double().cpu().flatten(1)
    features = F.normalize(rows, dim=1)
    adjacency = normalised_adjacency(features)
    nodes = torch.arange(len(rows))
    edges = torch.stack([nodes.repeat_interleave(len(rows)), nodes.repeat(len(rows))])
    return Data(x=features.float(), edge_index=edges, edge_attr=adjacency.flatten().float())


class PrecisionGCN(nn.Module):
    """Two graph convolutions, ``Z = L2(Ahat ReLU(L1(Ahat x)))``, with rows of unit length.

    ``P = Zn Zn.T`` is the precision without eps: positive semi-definite, with unit diagonal.
    Initialised like the released code's linear layers.

    Args:
        in_channels: Length d of the prototypes.
        hidden_channels: Default d / 16; with ``residual`` d.
        out_channels: Default d / 8; with ``residual`` d.
        residual: Add the features to the output, as the released class-incremental code does;
            needs ``out_channels`` d.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int | None = None,
        out_channels: int | None = None,
        residual: bool = False,
    ) -> None:
        from torch_geometric.nn import GCNConv

        super().__init__()
        default = (in_channels, in_channels) if residual else (in_channels // 16, in_channels // 8)
        hidden_channels = hidden_channels or max(1, default[0])
        out_channels = out_channels or max(1, default[1])
        if residual and out_channels != in_channels:
            raise ValueError("a residual needs out_channels equal to in_channels.")
        self.residual = residual
        options = {"normalize": False, "add_self_loops": False}
        self.conv1 = GCNConv(in_channels, hidden_channels, **options)
        self.conv2 = GCNConv(hidden_channels, out_channels, **options)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters: uniform in +-1/sqrt(fan-in), weights and biases."""
        for convolution in (self.conv1, self.conv2):
            bound = convolution.in_channels**-0.5
            nn.init.uniform_(convolution.lin.weight, -bound, bound)
            nn.init.uniform_(convolution.bias, -bound, bound)

    def latents(self, graph: "Data") -> Tensor:
        """Unit latent vectors of all nodes: ``(nodes, out_channels)``."""
        hidden = self.conv1(graph.x, graph.edge_index, graph.edge_attr).relu()
        output = self.conv2(hidden, graph.edge_index, graph.edge_attr)
        if self.residual:
            output = output + graph.x
        # Not F.normalize: at a zero row its gradient is of the order of 1e12.
        return output * output.square().sum(1, keepdim=True).clamp_min(_TINY).rsqrt()

    def forward(self, graph: "Data") -> Tensor:
        """``P^M`` of every task in a (batched) graph: ``(T, C, out_channels)``, zero-padded."""
        from torch_geometric.utils import to_dense_batch

        return to_dense_batch(self.latents(graph), graph.get("batch"))[0]


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

    graph_x: Tensor
    graph_edge_index: Tensor
    graph_edge_attr: Tensor
    graph_position: Tensor
    graph_sizes: Tensor

    def __init__(self, prototypes: Sequence[Tensor], **options: Any) -> None:
        widths = {rows.shape[1] for rows in prototypes}
        if len(widths) != 1:
            raise InputError(
                f"the GCN precision needs prototypes of one length for every task; found lengths "
                f"{sorted(widths)}."
            )
        from torch_geometric.data import Batch

        super().__init__(widths.pop(), **options)
        self.sizes = [len(rows) for rows in prototypes]
        graph = Batch.from_data_list([class_graph(rows) for rows in prototypes])
        for name in ("x", "edge_index", "edge_attr"):
            self.register_buffer(f"graph_{name}", graph[name], persistent=False)
        self.register_buffer("graph_sizes", torch.tensor(self.sizes), persistent=False)
        # Row of each node in the padded result, once: to_dense_batch would ask the device for it.
        within = torch.arange(len(graph.batch)) - graph.ptr[graph.batch]
        position = graph.batch * max(self.sizes) + within
        self.register_buffer("graph_position", position, persistent=False)

    def forward(self) -> Tensor:  # type: ignore[override]
        """``P^M`` of the tasks ``(T, C, out_channels)``, zero-padded."""
        from torch_geometric.data import Data

        graph = Data(
            x=self.graph_x, edge_index=self.graph_edge_index, edge_attr=self.graph_edge_attr
        )
        latents = self.latents(graph)
        padded = latents.new_zeros(len(self.sizes) * max(self.sizes), latents.shape[1])
        return padded.index_copy(0, self.graph_position, latents).view(
            len(self.sizes), -1, latents.shape[1]
        )

    def log_det(self, latents: Tensor, eps: float) -> Tensor:
        """``sum_i log det(P_i + eps I)``, see :func:`log_det_precision`."""
        return log_det_precision(latents, self.graph_sizes, eps).sum()


def log_det_precision(latents: Tensor, sizes: Tensor, eps: float) -> Tensor:
    """``log det(Z_i Z_i.T + eps I)`` of each task, in float64: ``(T,)``.

    By Sylvester's identity it is ``(C_i - k) log eps + log det(Z_i.T Z_i + eps I_k)``; the smaller
    of the two matrices is factored, and rows padded with zeros do not matter to the second.

    Args:
        latents: ``(T, C, k)``, zero-padded.
        sizes: ``(T,)`` number of classes C_i of each task.
        eps: The epsilon of the paper's formula 4.
    """
    latents = latents.double()
    smaller = min(latents.shape[1:])
    transposed = latents if smaller == latents.shape[1] else latents.transpose(1, 2)
    loops = eps * torch.eye(smaller, dtype=latents.dtype, device=latents.device)
    # Not Cholesky, which raises: of latents that are not finite the loss shall be NaN, which
    # training reports by the name of the term.
    gram = torch.baddbmm(loops, transposed, transposed.transpose(1, 2))
    return torch.linalg.slogdet(gram).logabsdet + (sizes - smaller) * math.log(eps)


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
        return torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay)


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
