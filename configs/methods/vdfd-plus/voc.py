# Replay keeps classes that arrive in many steps (docs/en/notes/what_makes_it_work.md).
method = dict(type='VDFDPlus', replay=1024)
method_name = 'VDFDPlus + UNCE'
