"""``torch.backends.opt_einsum``: operands are contracted from left to right."""

enabled, strategy = False, None


def is_available():
    return False


def get_opt_einsum():
    return None
