"""``spawn``: one function in several processes, whose errors come back."""

import multiprocessing
import multiprocessing.connection
import signal
import sys
import time
import traceback
import warnings


class ProcessException(Exception):
    """A process of :func:`spawn` failed: its number and its process id."""

    def __init__(self, msg, error_index, pid):
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """It raised; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """It ended with an exit code or by a signal."""

    def __init__(self, msg, error_index, error_pid, exit_code, signal_name=None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def _run(fn, number, args, errors):
    try:
        fn(number, *args)
    except KeyboardInterrupt:
        pass  # the parent was interrupted, too, and says so
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes that :func:`spawn` started."""

    def __init__(self, processes, queues):
        self.processes, self._queues = processes, queues
        self._waiting = {p.sentinel: i for i, p in enumerate(processes)}

    def pids(self):
        return [p.pid for p in self.processes]

    def join(self, timeout=None, grace_period=None):
        """Wait until one ends. True when all have ended well; raises, and stops the others, when one has failed."""
        if not self._waiting:
            return True
        ended = multiprocessing.connection.wait(self._waiting, timeout=timeout)
        failed = None
        for sentinel in ended:
            i = self._waiting.pop(sentinel)
            self.processes[i].join()
            if self.processes[i].exitcode != 0:
                failed = i
                break
        if failed is None:
            return not self._waiting
        self._stop_others(grace_period)
        self._raise(failed)

    def _stop_others(self, grace_period):
        end = time.monotonic() + (grace_period or 0)
        for p in self.processes:
            if p.is_alive():
                p.join(max(0, end - time.monotonic()) if grace_period else 0)
            if p.is_alive():
                p.terminate()
        for p in self.processes:
            p.join()

    def _raise(self, i):
        process, errors = self.processes[i], self._queues[i]
        if not errors.empty():
            text = f"\n\n-- Process {i} terminated with the following error:\n{errors.get()}"
            raise ProcessRaisedException(text, i, process.pid)
        code = process.exitcode
        if code < 0:
            name = signal.Signals(-code).name
            raise ProcessExitedException(f"process {i} terminated with signal {name}", i, process.pid, code, name)
        raise ProcessExitedException(f"process {i} terminated with exit code {code}", i, process.pid, code)


SpawnContext = ProcessContext


def start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Start ``nprocs`` processes that run ``fn(number, *args)``.

    Returns:
        None when they have all ended well; with ``join=False`` a :class:`ProcessContext` at once.
    """
    context = multiprocessing.get_context(start_method)
    processes, queues = [], []
    for i in range(nprocs):
        errors = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, i, args, errors), daemon=daemon)
        process.start()
        processes.append(process)
        queues.append(errors)
    started = ProcessContext(processes, queues)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """:func:`start_processes` with the start method ``spawn``: ``fn`` must be importable, and ``args`` be pickled."""
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}). "
            f"To use a different start_method use: torch.multiprocessing.start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
