"""A small config, loaded as a run's settings."""

import pytest

from vdfd_seg.engine.input.settings import load_run

CONFIG = """
data_root = 'data/x'
model = dict(type='EncoderDecoder')
protocol = dict(type='VOC', split='10-5')
method = dict(type='FineTune')
train_dataloader = dict(batch_size=2, dataset=dict(type='D', data_root=data_root, pipeline=[]))
test_dataloader = dict(batch_size=2, dataset=dict(type='D', data_root=data_root, pipeline=[]))
train_cfg = dict(max_iters=10)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1),
    paramwise_cfg=dict(custom_keys={'decode_head.conv_seg': dict(lr_mult=10.0)}))
"""


@pytest.fixture
def settings(tmp_path):
    def load(extra="", options=None, text=CONFIG, **arguments):
        path = tmp_path / "small.py"
        path.write_text(text + extra)
        return load_run(path, None, options, **arguments)

    return load
