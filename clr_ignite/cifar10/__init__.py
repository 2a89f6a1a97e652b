"""The proof: Caffe's CIFAR-10 nets, their data, and the experiments of arXiv:1506.01186."""
