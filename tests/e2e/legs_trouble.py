LEGS = []
