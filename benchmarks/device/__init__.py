"""What a GPU has to say of the reproduction, in one command of ten minutes."""
