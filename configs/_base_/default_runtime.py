default_scope = 'mmseg'
seed = 0
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
)
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
log_level = 'INFO'
default_hooks = dict(logger=dict(type='LoggerHook', interval=50))
# Iterations between saves of the state from which --resume continues.
save_interval = 500
# Test images that are segmented after every step and shown in the report.
examples = 4
