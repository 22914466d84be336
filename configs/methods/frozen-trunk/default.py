method = dict(type='FrozenTrunk')
