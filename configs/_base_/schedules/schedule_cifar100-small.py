# A schedule of minutes on two CPU cores; bfloat16 pays on processors that compute in it.
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(
    type='vdfd_seg.DeviceAmpOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=1e-5)]
step_overrides = {'1:': dict(train_cfg=dict(max_epochs=5))}
