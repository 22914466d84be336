import pytest
import torch

from tests.methods.plain import at_labels, cross_entropy_of_facil


@pytest.fixture
def third(begin, train, end, tiny_classification, tiny_classifier):
    """A third step of classification and its teacher, with the student moved away from it."""

    def make(scenario="task", rotations=False, **options):
        data, previous = tiny_classification(scenario), None
        for number in range(3):
            step = begin(
                {"type": "LwF", **options}, number, previous, data=data, rotations=rotations
            )
            train(step)
            if number == 1:
                teacher = tiny_classifier([2, 2], rotations=rotations)
                teacher.load_state_dict(step.network.state_dict())
            if number < 2:
                previous = end(step)
        return step, teacher.eval()

    return make


def logits_of(network, images):
    features = network.backbone(images)
    return torch.cat([head(features) for head in network.heads], 1)


class TestStep:
    @pytest.mark.parametrize("rotations", [False, True])
    @pytest.mark.parametrize("scenario", ["task", "class"])
    @pytest.mark.parametrize("variant", ["facil", "paper"])
    def test_what_competes_in_the_old_tasks_and_whether_old_heads_train(
        self, third, scenario, rotations, variant
    ):
        step, teacher = third(scenario, rotations, weight=0.7, variant=variant)
        outputs = step.adapter.outputs(step.inputs)
        images, rows = step.inputs, 1
        if rotations:
            # All rows are distilled, on all turned images.
            images = torch.cat([torch.rot90(x, k, (1, 2))[None] for x in images for k in range(4)])
            rows = 4
        assert outputs.all_logits.shape == (rows * len(step.inputs), rows * 6)
        with torch.no_grad():
            old = logits_of(teacher, images)
        groups = [slice(0, 2 * rows), slice(2 * rows, 4 * rows)]
        if scenario == "class" or variant == "facil":
            groups = [slice(0, 4 * rows)]
        expected = sum(
            cross_entropy_of_facil(outputs.all_logits[:, group], old[:, group], 1 / 2)
            for group in groups
        )
        found = step.method.extra_losses(step.adapter, outputs, step.samples)["loss_kd"]
        assert torch.allclose(found, 0.7 * expected, rtol=1e-4)
        step.learner.zero_grad()
        found.backward()
        first, middle, new = (head.weight.grad for head in step.network.heads)
        if variant == "facil":
            assert first is middle is None
        else:
            assert first.abs().sum() > 0
            assert middle.abs().sum() > 0
        # The new head is not distilled.
        assert new is None or new.abs().sum() == 0
        assert step.network.backbone.stem.weight.grad.abs().sum() > 0

    @pytest.mark.parametrize("scenario", ["class", "domain"])
    def test_segmentation_as_in_the_code_of_mib(self, taught, domains, scenario):
        cfg = {"type": "LwF", "weight": 100.0, "temperature": 1.0, "average_classes": True}
        step, teacher = taught(cfg, protocol=domains if scenario == "domain" else None)
        outputs, new, old = at_labels(step, teacher)
        # Of three classes two are old; over domains all four are.
        assert old.shape[1] == (2 if scenario == "class" else 4)
        expected = -100 * (old.softmax(1) * new[:, : old.shape[1]].log_softmax(1)).mean()
        found = step.method.extra_losses(step.adapter, outputs, step.samples)["loss_kd"]
        assert torch.allclose(found, expected, rtol=1e-4)
