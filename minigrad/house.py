"""The name that minigrad goes by in what it prints: ``minigrad.float32``, or ``torch.float32`` where a program says torch."""

name = "minigrad"
