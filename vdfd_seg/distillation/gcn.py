"""The graph convolutional network of the precision, by PyTorch Geometric: its definition."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    # Elsewhere it is imported where it is used: it takes long, and only the GCN needs it.
    from torch_geometric.data import Data

TINY = 1e-12
"""What is added to a squared length, so that a row of zeros has one."""


def normalised_adjacency(features: Tensor) -> Tensor:
    """``D^-1/2 (A + I) D^-1/2`` for cosine similarities A of unit rows ``(C, d)``: ``(C, C)``.

    D are the column sums of A + I. As in the released code a class whose sum is negative has no
    root; its row and column are zero.
    """
    loops = features @ features.t() + torch.eye(len(features), dtype=features.dtype)
    degree = loops.sum(0)
    root = torch.where(degree > TINY, degree.clamp_min(TINY).rsqrt(), 0.0)
    return root[:, None] * loops * root


def class_graph(prototypes: Tensor) -> "Data":
    """The complete graph of a task's classes, of their classifier rows ``(C, d)``.

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
        # Uniform in +-1/sqrt(fan-in), weights and biases, as the released code's linear layers.
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
        return output * (output.square().sum(1, keepdim=True) + TINY).rsqrt()

    def forward(self, graph: "Data") -> Tensor:
        """``P^M`` of every task in a (batched) graph: ``(T, C, out_channels)``, zero-padded."""
        from torch_geometric.utils import to_dense_batch

        return to_dense_batch(self.latents(graph), graph.get("batch"))[0]
