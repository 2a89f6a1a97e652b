"""What is read from other people's optimizers, what is written into them, what they make of it."""
