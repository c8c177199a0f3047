"""Tables of labels beside images: which column names the images, and what the other columns teach."""
