"""One class for the whole image, of classes that stand in an order."""
