"""Turns label files, folders, tables and files of annotation tools into a manifest and a recipe."""
