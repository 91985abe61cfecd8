"""Where PyTorch's modules are found here, and which packages around PyTorch minigrad does not stand in for."""

# Names that a program imports, and the module that answers for each.
ROOTS = {"torch": "minigrad", "torchvision": "minigrad.torchvision", "functorch": "minigrad.func"}

# Modules directly below torch. Others of minigrad's modules are its own and are not shown under PyTorch's name.
PUBLIC = frozenset(
    """__config__ _dynamo _inductor accelerator amp autograd backends compiler cpu cuda distributed distributions func
    functional hub jit linalg mps multiprocessing nn onnx optim profiler random serialization sparse special storage testing
    torch_version types typing utils version xpu""".split()
)

# Modules that have another path here.
ELSEWHERE = {
    "torch.serialization": "minigrad.state",
    "torch.functional": "minigrad",
    "torch.torch_version": "minigrad.version",
    "torch.autograd.profiler_util": "minigrad.profiler.events",
    "torch.autograd.gradcheck": "minigrad.testing",
    "torch.autograd.grad_mode": "minigrad.autograd",
    "torch.autograd.anomaly_mode": "minigrad.autograd.anomaly",
    "torch.cuda.amp.autocast_mode": "minigrad.cuda.amp",
    "torch.cuda.amp.grad_scaler": "minigrad.cuda.amp",
    "torch.cuda.memory": "minigrad.cuda",
    "torch.cuda.streams": "minigrad.cuda.streams",
    "torch.cuda.random": "minigrad.cuda.random",
    "torch._dynamo": "minigrad.compiler",
    "torch._dynamo.config": "minigrad.compiler_settings",
    "torch._inductor": "minigrad.compiler",
    "torch._inductor.config": "minigrad.compiler_settings",
    "torch._tensor": "minigrad",
    "torch.nn.parallel.distributed": "minigrad.nn.parallel",
    "torch.nn.parallel.data_parallel": "minigrad.nn.parallel",
    "torch.nn.parallel.scatter_gather": "minigrad.nn.parallel",
    "torch.nn.parallel.replicate": "minigrad.nn.parallel",
    "torch.nn.parallel.parallel_apply": "minigrad.nn.parallel",
    "torch.nn.utils.clip_grad": "minigrad.nn.utils.clip_grad",
    "torch.nn.utils.weight_norm": "minigrad.nn.utils.older_norms",
    "torch.nn.utils.spectral_norm": "minigrad.nn.utils.older_norms",
    "torch.optim.adamw": "minigrad.optim.adam",
    "torch.optim.adamax": "minigrad.optim.adam_relatives",
    "torch.optim.nadam": "minigrad.optim.adam_relatives",
    "torch.optim.radam": "minigrad.optim.adam_relatives",
    "torch.optim.adadelta": "minigrad.optim.adaptive",
    "torch.optim.adagrad": "minigrad.optim.adaptive",
    "torch.optim.rmsprop": "minigrad.optim.adaptive",
    "torch.optim.asgd": "minigrad.optim.sgd",
    "torch.profiler.profiler": "minigrad.profiler",
    "torch.utils.data._utils": "minigrad.data",
    "torch.utils.data._utils.collate": "minigrad.data.collate",
    "torch.utils.data._utils.worker": "minigrad.data.worker",
}

# What to use for parts of PyTorch that minigrad has not.
INSTEAD = {
    "torch.fft": "numpy.fft computes Fourier transforms, without gradients",
    "torch.quantization": "minigrad.quantize makes a trained network int8",
    "torch.ao": "minigrad.quantize makes a trained network int8, and torch.nn.utils.prune prunes",
    "torch.export": "torch.compile traces a function",
    "torch.fx": "torch.compile traces a function",
    "torch.masked": "torch.where and a mask do the same",
    "torch.nested": "torch.nn.utils.rnn pads and packs sequences",
    "torch.package": "torch.save keeps a state_dict()",
    "torchvision.models": "write the network with torch.nn; a state_dict() of PyTorch's loads into it",
    "torchvision.ops": "write it with torch",
    "torchvision.io": "Pillow reads and writes pictures",
}

# Packages around PyTorch that reach into its insides: with minigrad under the name torch they could only fail obscurely.
GAPS = frozenset(
    """torchaudio torchtext torchdata torchrec torchrl torch_geometric torch_scatter torch_sparse torch_cluster torch_spline_conv
    torch_xla torch_tensorrt torchao torchtune torchcodec""".split()
)
