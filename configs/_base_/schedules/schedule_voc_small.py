# A short schedule for a part of VOC on two CPU cores.
_base_ = ['./schedule_voc_30e.py']
train_cfg = dict(_delete_=True, max_iters=300)
step_overrides = {
    '1:': dict(train_cfg=dict(max_iters=150), optim_wrapper=dict(optimizer=dict(lr=0.002)))
}
