"""The hardware of this machine: cores, main memory and GPUs; knows nothing of models."""
