"""The view Models: installed and loaded models, downloads, models.yaml."""
