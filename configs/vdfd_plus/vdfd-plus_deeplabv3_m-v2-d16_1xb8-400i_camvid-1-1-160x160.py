_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-400i_camvid-1-1-160x160.py']
method = dict(
    type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=1.0)
# Later sequences: a tenth of the learning rate, which keeps more than any weight does, and the
# backbone's batch-norm statistics as they are.
step_overrides = {
    '1:': dict(
        optim_wrapper=dict(optimizer=dict(lr=3e-4)), model=dict(backbone=dict(norm_eval=True)))}
