"""What makes the weights that the studio ships."""
