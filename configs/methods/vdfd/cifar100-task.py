method = dict(type='VDFD', weight=10.0, gcn_lr=7e-4, gcn_weight_decay=5e-4)
