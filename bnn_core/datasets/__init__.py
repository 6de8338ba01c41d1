"""Images to train on: plates, BBBC021, MNIST, EMNIST, drawn digits and screens; folds."""
