"""``torch._dynamo.config`` and ``torch._inductor.config``: settings of PyTorch's compiler. They are kept and change nothing."""


class Settings:
    """A group of settings; one that was never set is another group, and false."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.__dict__[name] = Settings()
        return value

    def __bool__(self):
        return False


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = Settings()
    return value
