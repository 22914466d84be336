# Replay keeps classes that arrive in many steps, on a trunk that stays; the bound on new images
# adds nothing to it (docs/en/notes/what_makes_it_work.md).
method = dict(type='VDFDPlus', weight=0.0, replay=1024)
method_name = 'VDFDPlus + UNCE'
