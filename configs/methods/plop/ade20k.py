# The weights of the released scripts for 100-50 and 100-5, and the released code's unit of the
# entropy, as on VOC.
method = dict(type='PLOP', feature_weight=1e-3, logits_weight=1e-5, entropy='released')
