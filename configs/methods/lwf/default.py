method = dict(type='LwF', weight=100.0, temperature=1.0, average_classes=True)
