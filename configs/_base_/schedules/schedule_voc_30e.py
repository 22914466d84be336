# MiB, PLOP: 30 epochs a step, learning rate 0.01 and then 0.001, polynomial decay.
train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0)]
step_overrides = {'1:': dict(optim_wrapper=dict(optimizer=dict(lr=0.001)))}
# What the learning rates are for: 2 processes of 12 images (train.py --auto-scale-lr).
auto_scale_lr = dict(enable=False, base_batch_size=24)
