#!/usr/bin/env python3
"""Parameters and operations of a run's network after a step, as MMEngine counts them.

A multiplication with its addition is one operation; batch norm, pooling and resizing are not
counted. Auxiliary heads, which predicting does not use, are left out of both. It needs neither
data nor weights.

Usage: python tools/analysis_tools/get_flops.py CONFIG [--method NAME] [--step K] [--shape H W]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.cli.arguments import add_config_arguments, settings_of, step_of
from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports


def complexity(settings, step: int, shape: tuple[int, int] | None) -> dict:
    """What MMEngine's ``get_model_complexity_info`` says of the network of a step.

    ``shape`` is the image's height and width; None for the config's ``data_preprocessor.size``.
    """
    with quiet_imports():
        import torch
        from mmengine.analysis import get_model_complexity_info
        from mmengine.logging import MMLogger

        from vdfd_seg.engine import set_up
        from vdfd_seg.engine.networks import build_network

    set_up()
    model = settings.for_step(step).model
    shape = shape or (model.get("data_preprocessor") or {}).get("size")
    if shape is None:
        raise InputError("the config has no model.data_preprocessor.size: give --shape H W.")
    network, _ = build_network(model, settings.protocol.task_sizes(step))
    if getattr(network, "with_auxiliary_head", False):
        network.auxiliary_head = None
    image = torch.rand(1, 3, *shape)
    # A line for each kind of layer that it does not count.
    MMLogger.get_current_instance().setLevel("ERROR")
    found = get_model_complexity_info(
        network.eval(), inputs=(image,), show_table=False, show_arch=False
    )
    return {**found, "shape": tuple(shape), "network": type(network).__name__}


def main(argv=None) -> None:
    """Print both."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parse)
    parse.add_argument("--step", type=int, help="default: the last")
    parse.add_argument("--shape", type=int, nargs=2, metavar=("H", "W"), help="of the image")
    args = parse.parse_args(argv)
    settings = settings_of(args)
    step = step_of(settings, args.step)
    found = complexity(settings, step, args.shape)
    height, width = found["shape"]
    print(
        f"{found['network']} of step {step}, {settings.protocol.num_classes(step)} classes, "
        f"image {height} x {width}: {found['params_str']} parameters, {found['flops_str']} FLOPs"
    )


if __name__ == "__main__":
    sys.exit(run_guarded(main))
