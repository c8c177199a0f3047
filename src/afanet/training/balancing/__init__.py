"""Balancing several tasks: how their losses, or their gradients, become one step.

This file imports nothing: the table (`balancing.methods`) loads without torch, which
`balancing.balancer` needs.
"""
