_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-30e_voc-10-1-512x512.py']
# The later steps take 10 epochs in the released script.
step_overrides = {'1:': dict(train_cfg=dict(max_epochs=10))}
# The released code's unit of the entropy, which decides how many pixels get a label.
method = dict(type='PLOP', entropy='released')
