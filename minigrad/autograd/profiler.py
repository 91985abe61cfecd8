"""``torch.autograd.profiler``: the older interface of :mod:`minigrad.profiler`."""

from ..profiler.events import EventList as EventList
from ..profiler.events import FunctionEvent as FunctionEvent
from ..profiler.events import record_function as record_function
from ..profiler.profile import profile as _profile


class profile(_profile):
    """Records the operations that run inside; ``enabled=False`` records nothing.

    >>> import minigrad
    >>> with minigrad.autograd.profiler.profile() as prof:
    ...     y = minigrad.ones(3) * 2
    >>> "mul" in prof.key_averages().table(sort_by="cpu_time_total", row_limit=10)
    True
    """

    def __init__(self, enabled=True, **_):
        super().__init__()
        self.enabled = enabled

    def start(self):
        if self.enabled:
            super().start()

    @property
    def function_events(self):
        return self.events()

    @property
    def self_cpu_time_total(self):
        return self.events().self_cpu_time_total

    def table(self, *args, **kwargs):
        return self.events().table(*args, **kwargs)

    def total_average(self):
        return self.events().total_average()

    def __str__(self):
        return str(self.events())

    __repr__ = __str__


class emit_nvtx:
    """Marks for NVIDIA's profiler: none are made."""

    def __init__(self, enabled=True, record_shapes=False):
        self.enabled = enabled

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


emit_itt = emit_nvtx
