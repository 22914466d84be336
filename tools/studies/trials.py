"""What was tried on top of VDFDPlus, and dropped."""

import torch
from controls import EWCPerFilter
from torch.nn.modules.batchnorm import _BatchNorm

from vdfd_seg.methods import VDFD, VDFDPlus
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class Trial(VDFDPlus):
    """On top of VDFDPlus, each an option. A resumed step is not the uninterrupted one."""

    def __init__(
        self, weight=5.0, num_views=5, frozen_norms=False, warm_up=0, average=0.0,
        second_moments=0.0, permuted=False, taylor=0.0, mixup=False,
        features=0.0, blend=0.0,
    ):  # fmt: skip
        super().__init__(weight=weight, num_views=num_views)
        self.frozen_norms, self.warm_up, self.average = frozen_norms, warm_up, average
        self.moments = EWCPerFilter(
            weight=second_moments, images=1000, estimator="image", permuted=permuted
        )
        self.taylor = VDFD(weight=taylor, precision="identity", images=500)
        self.parts = [part for part in (self.moments, self.taylor) if part.weight]
        self.mixup, self.features, self.blend = mixup, features, blend
        if mixup or features:
            self.requires = self.requires | {"old_network"}
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def before_task(self, context):
        super().before_task(context)
        self.later = context.step > 0
        for part in self.parts:
            part.before_task(context)
        if self.later and self.blend:  # Towards the mean over the views of an image.
            values = self.cache.values.float().unflatten(0, (-1, self.num_views))
            values = values.lerp(values.mean(1, keepdim=True), self.blend)
            self.cache.values = values.flatten(0, 1).half()
        if self.later and "old_network" in self.requires:
            self.__dict__["teacher"] = context.old_network()
        state = context.adapter.network.state_dict()
        self.start = {k: v.clone() for k, v in state.items() if v.is_floating_point()}

    def loss(self, adapter, inputs, samples):
        if self.later and self.frozen_norms:  # Training puts them back after every step.
            for module in adapter.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return super().loss(adapter, inputs, samples)

    def extra_losses(self, adapter, outputs, samples):
        losses = super().extra_losses(adapter, outputs, samples)
        for part in self.parts:
            losses.update(part.extra_losses(adapter, outputs, samples))
        if self.later and self.features:
            with torch.no_grad():
                old = self.teacher.features(outputs.inputs).float()
            distance = (outputs.embedding.float() - old).square().sum(1).mean()
            losses["loss_features"] = self.features * distance
        if self.later and self.mixup:
            images, other = outputs.inputs, torch.randperm(len(outputs.inputs))
            share = torch.rand(len(images), 1, 1, 1, device=images.device)
            images = share * images + (1 - share) * images[other]
            with torch.no_grad():
                old = self.teacher.logits(self.teacher.features(images)).float()
            new = adapter.logits(images)[:, : self.num_old].float()
            losses["loss_mixup"] = self.weight / 2 * self.divergence(new, old)[0]
            losses["loss_bound"] = losses["loss_bound"] / 2
        return losses

    def before_update(self, adapter):
        if self.later and self.updates < self.warm_up:
            head = set(adapter.network.heads[-1].parameters())
            for parameter in adapter.network.parameters():
                if parameter not in head:
                    parameter.grad = None

    def after_update(self, adapter, learning_rate):
        self.updates += 1

    def after_task(self, context):
        super().after_task(context)
        if self.later:
            for name, value in context.adapter.network.state_dict().items():
                if name in self.start and name != f"heads.{context.step}.weight":
                    value.lerp_(self.start[name], self.average)
        states = [part.after_task(context) for part in self.parts]
        return {key: value for state in states for key, value in state.items()}
