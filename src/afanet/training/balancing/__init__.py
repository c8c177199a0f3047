"""Balancing several tasks: how their losses, or their gradients, become one step.

Nothing is imported here: the table (`balancing.methods`) can be read without loading torch, which `balancing.balancer`
needs.
"""
