"""Sweeps: many trainings that search keys of a recipe for better values, shared through one database"""
