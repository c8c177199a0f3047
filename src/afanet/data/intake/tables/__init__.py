"""Tables of labels beside images: which column names the image, and what the others teach."""
