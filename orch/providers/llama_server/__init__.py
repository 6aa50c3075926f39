"""llama.cpp's `llama-server`, alone and as a router of models, and llama-swap: what they tell of
their models, and how these are loaded and unloaded."""
