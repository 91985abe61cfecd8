"""``torch.backends.cuda``: how PyTorch chooses among CUDA libraries. CuPy chooses for itself."""

import contextlib


class cuBLASModule:
    """The flags of matrix products on a GPU; only PyTorch's own names can be set."""

    def __init__(self):
        self.__dict__.update(
            allow_tf32=False, allow_fp16_reduced_precision_reduction=True, allow_bf16_reduced_precision_reduction=True,
            allow_fp16_accumulation=False, fp32_precision="none",
        )  # fmt: skip

    def __setattr__(self, name, value):
        if name not in self.__dict__:
            raise AttributeError(f"Unknown attribute {name}")
        self.__dict__[name] = value


class cuFFTPlanCacheManager:
    """The cache of Fourier plans, empty."""

    size, max_size = 0, 4096

    def clear(self):
        pass

    def __getitem__(self, device):
        return self


matmul = cuBLASModule()
cufft_plan_cache = cuFFTPlanCacheManager()
_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built():
    """Whether there is a GPU library to use."""
    from minigrad.cuda import is_available

    return is_available()


def flash_sdp_enabled():
    return _sdp["flash"]


def enable_flash_sdp(enabled):
    _sdp["flash"] = bool(enabled)


def mem_efficient_sdp_enabled():
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled):
    _sdp["mem_efficient"] = bool(enabled)


def math_sdp_enabled():
    return _sdp["math"]


def enable_math_sdp(enabled):
    _sdp["math"] = bool(enabled)


def cudnn_sdp_enabled():
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled):
    _sdp["cudnn"] = bool(enabled)


def is_flash_attention_available():
    return False


@contextlib.contextmanager
def sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """Which attention PyTorch may choose inside; here there is one."""
    before = dict(_sdp)
    _sdp.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield {}
    finally:
        _sdp.update(before)


def preferred_linalg_library(backend=None):
    return "default"


def preferred_blas_library(backend=None):
    return "default"
