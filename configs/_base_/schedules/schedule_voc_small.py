# A short schedule for a part of VOC on two CPU cores: the new head learns ten times as fast as the
# pretrained backbone.
train_cfg = dict(max_iters=2400)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.007, momentum=0.9, nesterov=True, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0))),
    clip_grad=dict(max_norm=5.0))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-4)]
step_overrides = {
    '1:': dict(train_cfg=dict(max_iters=150), optim_wrapper=dict(optimizer=dict(lr=0.003)))
}
