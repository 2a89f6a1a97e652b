"""What a learning-rate finder's answer is worth: the training that follows it, beside the best."""
