# The weight is untuned: the paper's is unknown. The GCN's widths and rates are those of its code.
# The classifier is penalised because that forgot less on CamVid (docs/en/notes/results.md).
method = dict(type='VDFD', weight=1.0, old_rows='penalised')
