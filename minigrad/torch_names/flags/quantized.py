"""``torch.backends.quantized``: minigrad quantizes in ``minigrad.compress``."""

engine, supported_engines = "none", ["none"]
