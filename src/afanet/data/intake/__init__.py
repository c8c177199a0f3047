"""What people have becomes a manifest and a recipe: label files, folders, tables, and files of annotation tools."""
