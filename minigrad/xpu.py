"""``torch.xpu``: there is no Intel GPU; what a program asks before it uses one is answered."""


def is_available():
    return False


def device_count():
    return 0


def manual_seed(seed):
    """There is nothing to seed."""


manual_seed_all = manual_seed


def empty_cache():
    pass
