"""``torch.mps``: there is no Metal device; what a program asks before it uses one is answered."""


def is_available():
    return False


def device_count():
    return 0


def manual_seed(seed):
    """There is nothing to seed."""


def empty_cache():
    pass


def synchronize():
    pass


def current_allocated_memory():
    return 0


def driver_allocated_memory():
    return 0
