"""How much memory a training takes, told before anything is loaded."""
