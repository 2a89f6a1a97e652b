"""What choosing the weight decay together with the rate by range tests is worth."""
