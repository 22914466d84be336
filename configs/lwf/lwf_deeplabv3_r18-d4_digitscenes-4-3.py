_base_ = ['../finetune/finetune_deeplabv3_r18-d4_digitscenes-4-3.py']
method = dict(type='LwF', weight=100.0, temperature=1.0, average_classes=True)
