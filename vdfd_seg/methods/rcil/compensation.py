"""RCIL's representation compensation: a second branch next to convolutions with batch norm."""

import copy

import torch
from mmengine.model import kaiming_init
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from vdfd_seg.errors import InputError
from vdfd_seg.methods.rcil.conv_norm_pairs import BatchNorm, conv_norm_pairs


class Branch(nn.Module):
    """A convolution and its batch norm."""

    def __init__(self, conv: nn.Conv2d, norm: BatchNorm):
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) normalised maps, before any activation."""
        return self.norm(self.conv(maps))

    @torch.no_grad()
    def gain(self) -> tuple[Tensor, Tensor]:
        r"""Factor :math:`\gamma / \sigma` and shift :math:`\beta - \gamma \mu / \sigma` of the norm
        in evaluation, (C,) each, in float64."""
        norm = self.norm
        factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        return factor, norm.bias.double() - factor * norm.running_mean.double()


class CompensatedConv(nn.Module):
    r"""Two branches, combined at random in training and by their mean in evaluation.

    .. math::
        y_c = \eta_c\, a_c + (1 - \eta_c)\, b_c, \qquad
        \eta_c \sim \mathcal{U}\{0, \tfrac12, 1\} \text{ per channel and batch (training)},
        \quad \eta_c = \tfrac12 \text{ (evaluation)},

    with a and b the outputs of (convolution, batch norm) of the first and of the second branch.
    Zhang et al., "Representation Compensation Networks for Continual Semantic Segmentation",
    CVPR 2022, section 3.2. Both start with the same weights; if both train and the batch norm has
    seen no batch, each has its own, drawn as ``ConvModule`` draws them. Every parameter takes part
    in every iteration, with a gradient of zero where its branch was not drawn.

    Args:
        conv: The convolution; groups, strides, dilation and bias are kept.
        norm: Its batch norm.
        norm_name: The attribute of the owner of both that holds ``norm``.
        frozen: Freeze the first branch, its batch statistics included.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, conv: nn.Conv2d, norm: BatchNorm, norm_name: str, frozen: bool):
        super().__init__()
        self.first = Branch(conv, norm)
        self.second = copy.deepcopy(self.first)
        if not frozen and not norm.running_mean.any():
            kaiming_init(self.second.conv)
        self.norm_name = norm_name
        self.frozen = frozen
        # Of the mean of both: no norm has the statistics that the folded one needs.
        self.register_buffer("mean", norm.bias.detach().clone())
        ratio = norm.running_var / (norm.running_var + norm.eps)
        self.register_buffer("variance", norm.weight.detach() ** 2 * ratio)
        self.passed: list[int | None] = [None]
        if frozen:
            self.first.requires_grad_(False)
        self.train(norm.training)

    def train(self, mode: bool = True) -> "CompensatedConv":
        """Set the mode; a frozen branch stays in evaluation."""
        super().train(mode)
        if self.frozen:
            self.first.eval()
        return self

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W), normalised already."""
        one, two = self.first(maps), self.second(maps)
        if self.training:
            self._track(one, two)
            share = torch.randint(3, (1, one.shape[1], 1, 1), device=one.device).to(one.dtype) / 2
            out = share * one + (1 - share) * two
        else:
            out = (one + two) / 2
        self.passed[0] = id(out)
        return out

    @torch.no_grad()
    def _track(self, one: Tensor, two: Tensor) -> None:
        mean = (one + two).float() / 2
        if mean.numel() == mean.shape[1]:
            return
        momentum = self.second.norm.momentum
        momentum = 0.1 if momentum is None else momentum
        variance, mean = torch.var_mean(mean, dim=(0, 2, 3))
        self.mean.lerp_(mean.to(self.mean.dtype), momentum)
        self.variance.lerp_(variance.to(self.variance.dtype), momentum)

    @torch.no_grad()
    def folded(self) -> Branch:
        r"""One convolution and batch norm that give in evaluation what both branches give.

        .. math::
            k = \frac{\gamma_1}{2\sigma_1} k_1 + \frac{\gamma_2}{2\sigma_2} k_2, \qquad
            \text{shift} = \frac12 \sum_i \beta_i - \frac{\gamma_i}{\sigma_i} \mu_i .

        The batch norm's running statistics are those of the folded convolution, as found while
        both trained, so that it can train on. Branches with equal weights give these weights back,
        bit by bit.
        """
        first, second = self.first, self.second
        for one, two in zip(first.parameters(), second.parameters(), strict=True):
            one.requires_grad_(two.requires_grad)
        first.train(second.training)
        first.norm.train(second.norm.training)
        if self.untrained():
            return first
        (gain, shift), (other_gain, other_shift) = first.gain(), second.gain()
        conv, norm = first.conv, first.norm
        for name in ("weight", "bias"):
            value = getattr(conv, name)
            if value is None:
                continue
            adapter = (-1,) + (1,) * (value.ndim - 1)
            other = getattr(second.conv, name)
            both = gain.view(adapter) * value.double() + other_gain.view(adapter) * other
            value.copy_(both / 2)
        mean, variance = self.mean.double(), self.variance.double()
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)
        norm.running_var.copy_(variance)
        norm.running_mean.copy_(mean - (shift + other_shift) / 2)
        return first

    def untrained(self) -> bool:
        """Whether both branches are the same, so that the second need not be kept."""
        pairs = zip(
            self.first.state_dict().values(), self.second.state_dict().values(), strict=True
        )
        return all(torch.equal(one, two) for one, two in pairs)


class _Passed(nn.Module):
    """Where the batch norm was: lets maps through that are normalised already."""

    def __init__(self, passed: list, name: str):
        super().__init__()
        self.passed = passed
        self.name = name

    def forward(self, maps: Tensor) -> Tensor:
        """The same maps.

        Raises:
            InputError: When they do not come from the convolution itself.
        """
        if id(maps) != self.passed[0]:
            raise InputError(
                f"the network does not call '{self.name}' right after its convolution, so that the "
                f"two cannot be folded; method RCIL needs another backbone or decode head."
            )
        return maps


def compensate(network: EncoderDecoder, frozen: bool) -> None:
    """Give a second branch to :func:`~vdfd_seg.methods.rcil.conv_norm_pairs.conv_norm_pairs`.

    Args:
        network: An encoder-decoder of mmsegmentation; changed in place.
        frozen: Keep the first branches as they are.

    Raises:
        InputError: When there is none.
    """
    pairs = list(conv_norm_pairs(network))
    if not pairs:
        raise InputError(
            f"method RCIL: the backbone {type(network.backbone).__name__} has no 3x3 convolution "
            f"with a batch norm that trains, and the head {type(network.decode_head).__name__} no "
            f"ASPP with one; choose another model or method."
        )
    for name, owner, conv_name, norm_name in pairs:
        layer = CompensatedConv(
            getattr(owner, conv_name), getattr(owner, norm_name), norm_name, frozen
        )
        setattr(owner, conv_name, layer)
        setattr(owner, norm_name, _Passed(layer.passed, f"{name}.{norm_name}"))


def branches(network: nn.Module) -> dict[str, CompensatedConv]:
    """The compensated convolutions by their name in the plain network."""
    return {n: m for n, m in network.named_modules() if isinstance(m, CompensatedConv)}


def fold(network: nn.Module) -> None:
    """Make the plain network again, which gives the same in evaluation; in place."""
    for name, layer in branches(network).items():
        owner, _, conv_name = name.rpartition(".")
        branch = layer.folded()
        setattr(network.get_submodule(owner), conv_name, branch.conv)
        setattr(network.get_submodule(owner), layer.norm_name, branch.norm)
