"""``torch.profiler``: how often each operation ran, and how long it took."""

from .events import EventList as EventList
from .events import FunctionEvent as FunctionEvent
from .events import record_function as record_function
from .profile import ProfilerAction as ProfilerAction
from .profile import ProfilerActivity as ProfilerActivity
from .profile import kineto_available as kineto_available
from .profile import profile as profile
from .profile import schedule as schedule
from .profile import supported_activities as supported_activities
from .profile import tensorboard_trace_handler as tensorboard_trace_handler
