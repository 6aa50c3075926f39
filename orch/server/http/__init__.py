"""HTTP below the APIs: who may connect, limits, errors, disconnects. Knows no API."""
