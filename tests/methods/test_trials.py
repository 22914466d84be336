"""The trial of parts of the loss and the update: each option does what it is named for."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tests.guides import shown
from vdfd_seg.registry import METHODS

PAGE, MODULE, NAME = "../notes/trials.md", "trials", "Trial"


@pytest.fixture(scope="module", autouse=True)
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    with shown(PAGE, folder, MODULE, METHODS.module_dict, NAME):
        yield


@pytest.fixture
def second(begin, train, end, tiny_classification):
    """A trained second step, and the weights that it began with."""

    def make(updates=3, **options):
        cfg, data = {"type": NAME, **options}, tiny_classification("task")
        first = begin(cfg, data=data)
        train(first)
        step = begin(cfg, 1, end(first), data=data)
        start = {name: value.clone() for name, value in step.network.state_dict().items()}
        train(step, updates)
        return step, start

    return make


def moved(step, start):
    """Names of the tensors that are not what they were."""
    now = step.network.state_dict()
    return {name for name, value in start.items() if not torch.equal(now[name], value)}


def statistics(step):
    return {
        f"{name}.running_mean"
        for name, module in step.network.named_modules()
        if isinstance(module, _BatchNorm)
    }


def test_alone_it_trains_as_the_method_does(second):
    step, start = second()
    assert statistics(step) <= moved(step, start)


def test_frozen_norms_keep_their_statistics_and_train_their_weights(second):
    step, start = second(frozen_norms=True)
    found = moved(step, start)
    assert statistics(step).isdisjoint(found)
    assert {name.replace("running_mean", "weight") for name in statistics(step)} <= found


def test_warming_up_moves_the_new_head_alone(second):
    step, start = second(warm_up=3)
    parameters = {name for name, _ in step.network.named_parameters()}
    assert moved(step, start) & parameters == {"heads.1.weight"}


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_averaging_goes_back_towards_the_start(second, end, share):
    step, start = second(average=share)
    trained = {name: value.clone() for name, value in step.network.state_dict().items()}
    end(step)
    for name, value in step.network.state_dict().items():
        if name == "heads.1.weight" or not value.is_floating_point():
            assert torch.equal(value, trained[name]), name
        else:
            expected = share * start[name] + (1 - share) * trained[name]
            assert torch.allclose(value, expected, atol=1e-6), name


def test_the_other_options_add_their_terms(second, losses_of):
    plain, all_of_them = (
        second()[0],
        second(second_moments=10.0, taylor=2.0, mixup=True, features=0.5)[0],
    )
    found = losses_of(all_of_them)
    added = found.keys() - losses_of(plain).keys()
    assert added >= {"loss_ewc", "loss_features", "loss_mixup", "loss_vdfd"}
    assert found["loss_ewc"] > 0


def test_blending_gives_all_views_of_an_image_what_is_said_of_their_mean(second):
    plain, blended = second(updates=0)[0].method, second(updates=0, blend=1.0)[0].method
    views = plain.cache.values.float().unflatten(0, (-1, plain.views))
    expected = views.mean(1, keepdim=True).expand_as(views).flatten(0, 1)
    assert torch.allclose(blended.cache.values.float(), expected, atol=1e-2)
