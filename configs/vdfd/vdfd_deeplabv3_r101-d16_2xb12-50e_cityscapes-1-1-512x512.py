_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-1-1-512x512.py']
# The weight is untuned: the paper's is unknown. The GCN's widths and rates are those of its code.
# The classifier is penalised because that forgot less on CamVid (docs/en/notes/results.md).
method = dict(type='VDFD', weight=1.0, old_rows='penalised')
