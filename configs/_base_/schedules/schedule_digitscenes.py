train_cfg = dict(max_iters=400)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=5.0))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-5)]
step_overrides = {'1:': dict(train_cfg=dict(max_iters=200), optim_wrapper=dict(optimizer=dict(lr=5e-4)))}
