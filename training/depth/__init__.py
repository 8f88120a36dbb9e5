"""How the weights of studio-depth-small are made: scenes are rendered, encoded and learned from."""
