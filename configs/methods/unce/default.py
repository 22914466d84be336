# Fine-tuning under the unbiased cross-entropy: see ../finetune/README.md.
method = dict(type='FineTune', unbiased_loss=True, new_rows='balanced')
method_name = 'FineTune + UNCE'
