"""Finding masks in pictures: what may be asked, what the network has seen, and what is found."""
