"""The laws of coordinations: random plans, random histories, and slow, obvious judges of what came of them."""
