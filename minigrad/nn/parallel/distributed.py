"""DistributedDataParallel in a group of one process."""

import contextlib

from ..module import Module


class DistributedDataParallel(Module):
    """Runs ``module``; its parameters are found under ``module.``. With one process there are no gradients to average.

    Args:
        module: the module to run; one of its parameters must require a gradient.
        device_ids, output_device, dim and the other settings: kept for PyTorch's signature.

    Raises:
        ValueError: where ``distributed.init_process_group`` was not called before.
        RuntimeError: where no parameter requires a gradient.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0, broadcast_buffers=True, init_sync=True,
                 process_group=None, bucket_cap_mb=None, find_unused_parameters=False, check_reduction=False,
                 gradient_as_bucket_view=False, static_graph=False, **_):  # fmt: skip
        from ...distributed.group import default_group

        super().__init__()
        self.process_group = process_group or default_group()
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that require a gradient."
            )
        self.module = module
        self.device_ids, self.output_device, self.dim = device_ids, output_device, dim
        self.broadcast_buffers, self.find_unused_parameters = broadcast_buffers, find_unused_parameters
        self.require_backward_grad_sync = True

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)

    @contextlib.contextmanager
    def no_sync(self):
        """Inside, gradients are not averaged: they never are."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextlib.contextmanager
    def join(self, divide_by_initial_world_size=True, enable=True, throw_on_early_termination=False):
        """For processes with unequal numbers of batches; there is one."""
        yield

    def register_comm_hook(self, state, hook):
        """Kept for PyTorch's interface: nothing is communicated."""
