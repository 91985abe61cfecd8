"""Tensor: an array, a place in the recorded graph, and a gradient. No maths: the operations are in ``ops``."""

import numpy as np

from . import backends, errors, graph, house
from .device import CPU, device
from .dtype import get_default_dtype, of_numpy
from .graph import Handle

new = object.__new__


class Size(tuple):
    """The shape of a tensor: a tuple with ``numel()``.

    >>> import minigrad
    >>> minigrad.zeros(2, 3).shape
    minigrad.Size([2, 3])
    """

    __slots__ = ()

    def numel(self):
        return graph.size_of(self)

    def __repr__(self):
        return f"{house.name}.Size({list(self)})"

    def __getitem__(self, key):
        item = tuple.__getitem__(self, key)
        return Size(item) if isinstance(key, slice) else item

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __mul__(self, times):
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    ``Tensor(2, 3)`` is uninitialised and ``Tensor([1, 2])`` is float, as in PyTorch; :func:`minigrad.tensor` is the usual
    way to make one.

    * ``array``: the NumPy or CuPy array.
    * ``node``: its place in the graph (:class:`minigrad.graph.Node`), or None where it needs no gradient.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    # The hot paths in dispatch.py set `array` and `node` themselves; all else has its default on the class.
    __slots__ = ("array", "node", "__dict__", "__weakref__")
    __array_ufunc__ = None  # ndarray + Tensor comes to Tensor.__radd__ and never makes an array of objects
    __array_priority__ = 1000

    _grad = None
    _base = None  # (parent, view op, params) of a view
    _many = None  # the function that returned several views, of which this is one
    _views = None  # weak references to the live views of this tensor
    _inference = False

    def __new__(cls, *data, dtype=None, device=None):
        """In ``__new__`` and not in ``__init__``, as in PyTorch: classes of users override either."""
        self = new(cls)
        self.node = None
        dtype = get_default_dtype().dtype
        if len(data) == 1 and not isinstance(data[0], (int, np.integer)):
            source = data[0]
            if isinstance(source, Tensor):
                source = source.array
            elif not hasattr(source, "__len__"):
                raise TypeError(f"new(): data must be a sequence (got {type(source).__name__}); write tensor(...) for one number")
            if isinstance(source, Size):
                self.array = np.empty(source, dtype)
            else:
                self.array = np.array(source, dtype)
        else:
            self.array = np.empty([int(n) for n in data] or (0,), dtype)
        return self

    def __init__(self, *data, **options):
        pass

    def __init_subclass__(cls, **options):
        """A class of a user's: what is computed from its tensors is of that class, too. Parameters are as in PyTorch not such."""
        super().__init_subclass__(**options)
        plain = getattr(cls, "plain_results", False) and "__torch_function__" not in vars(cls)
        if not plain and not cls.__module__.startswith("minigrad."):
            from .subclass import adopt

            adopt(cls)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """How a function is computed for arguments of a user's class; see :mod:`minigrad.subclass`."""
        from .subclass import default_torch_function

        return default_torch_function(cls, func, types, args, kwargs)

    # -------------------------------------------------------------------------------------------------------- properties
    @property
    def shape(self):
        return Size(self.array.shape)

    @property
    def ndim(self):
        return self.array.ndim

    @property
    def dtype(self):
        return of_numpy[self.array.dtype]

    @property
    def device(self):
        if self.array.__class__ is np.ndarray:
            return CPU
        backend = backends.of(self.array)
        return CPU if backend.device_type == "cpu" else device(backend.device_type, self.array.device.id)

    @property
    def requires_grad(self):
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, flag):
        self.requires_grad_(flag)

    @property
    def is_leaf(self):
        return self.node is None or self.node.op is graph.LEAF

    @property
    def grad_fn(self):
        """The node that computed this tensor, None for a leaf."""
        node = self.node
        if node is None or node.op is graph.LEAF:
            return None
        return graph.shown(node)

    @property
    def output_nr(self):
        """Which output of ``grad_fn`` this tensor is."""
        return self.node.params if self.node is not None and self.node.op is graph.PICK else 0

    @property
    def grad(self):
        """The gradient that backward passes have accumulated, a Tensor, or None."""
        trace = graph.tracer.get()
        if trace is not None:
            trace.meet_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value):
        trace = graph.tracer.get()
        if trace is not None:
            trace.meet_grad(self, is_set=True)
            if value is not None:
                trace.lift((self, value))
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {errors.describe(value)}")
            if value.array.shape != self.array.shape:
                raise errors.ShapeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size '{list(self.shape)}'. "
                    f"Please ensure that the gradient and the tensor are the same size"
                )
            if value is self:
                raise errors.GradError("can't assign Variable as its own grad")
            if value.array.dtype != self.array.dtype:
                raise errors.DtypeError(
                    f"attempting to assign a gradient with dtype '{value.dtype}' to a tensor with dtype '{self.dtype}'. The "
                    f"gradient must match the tensor's dtype: convert it with .to(dtype)"
                )
            if value.array.__class__ is not self.array.__class__:
                raise errors.DeviceError(f"assigned grad is on {value.device}, the tensor on {self.device}")
        self._grad = value

    @grad.deleter
    def grad(self):
        self.grad = None

    @property
    def data(self):
        """The same memory without history."""
        return self.detach()

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"x.data = value: value must be a Tensor, got {errors.describe(value)}")
        trace = graph.tracer.get()
        if trace is not None:
            trace.lift((self, value))
        self.array = value.array
        if self.node is not None and self.node.op is graph.LEAF:
            self.node.shape = value.array.shape

    @property
    def _version(self):
        """How often this memory was written in place."""
        return graph.writes.count(self.array)

    itemsize = property(lambda self: self.array.dtype.itemsize)
    nbytes = property(lambda self: self.array.nbytes)
    is_cuda = property(lambda self: self.device.type == "cuda")
    is_cpu = property(lambda self: self.device.type == "cpu")
    is_sparse = is_quantized = is_meta = is_mps = False

    def size(self, dim=None):
        """The shape, or its size along ``dim``."""
        if dim is None:
            return self.shape
        if not -self.ndim <= dim < self.ndim:
            raise errors.dim_error("size", dim, self.ndim)
        return self.array.shape[dim]

    def dim(self):
        return self.array.ndim

    ndimension = dim

    def numel(self):
        """The number of elements."""
        return self.array.size

    nelement = numel

    def stride(self, dim=None):
        """Steps between neighbours along each dimension, in elements."""
        array = self._as_laid_out()
        steps = tuple(s // array.itemsize for s in array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self, memory_format=None):
        """Whether the elements lie in memory one after the other, in the order of the dimensions or that of a format."""
        order = None if memory_format is None else MEMORY_ORDERS.get(str(memory_format).rpartition(".")[2])
        array = self._as_laid_out()
        if order is None:
            return array.flags.c_contiguous
        return array.ndim == len(order) and array.transpose(order).flags.c_contiguous

    def _as_laid_out(self):
        """The array, for who asks how it lies in memory: a trace then depends on that."""
        trace = graph.tracer.get()
        if trace is not None:
            trace.layouts = True
        return self.array

    def element_size(self):
        return self.array.itemsize

    def storage_offset(self):
        owner = graph.owner_of(self.array)
        return (self.data_ptr() - _address(owner)) // max(self.array.itemsize, 1)

    def data_ptr(self):
        """The address of the first element."""
        return _address(self.array)

    def is_floating_point(self):
        return self.dtype.is_floating_point

    def is_complex(self):
        return self.dtype.is_complex

    def is_signed(self):
        return self.dtype.is_signed

    def is_inference(self):
        return self._inference

    def get_device(self):
        index = self.device.index
        return -1 if index is None else index

    # ------------------------------------------------------------------------------------------------------- gradients
    def requires_grad_(self, requires_grad=True):
        """Ask for (or stop asking for) a gradient of this leaf, in place."""
        if requires_grad:
            if self.node is None:
                if not self.dtype.is_floating_point and not self.dtype.is_complex:
                    raise errors.not_float(self.dtype)
                self.node = graph.leaf(self)
        elif self.node is not None:
            if not self.is_leaf:
                raise errors.GradError(
                    "you can only change requires_grad flags of leaf variables: this tensor was computed "
                    f"({self.grad_fn}); use .detach() for a tensor without history"
                )
            self.node = None
        return self

    def retain_grad(self):
        """Keep ``.grad`` of this tensor in backward passes although it is no leaf."""
        if self.node is None:
            raise errors.GradError(
                "can't retain_grad on Tensor that has requires_grad=False; nothing it comes from needs a gradient"
            )
        if not self.is_leaf:
            if self.node.extra is None:
                self.node.extra = {}
            self.node.extra["retain"] = graph.weakref.ref(self)

    @property
    def retains_grad(self):
        node = self.node
        return not self.is_leaf and node.extra is not None and "retain" in node.extra

    def register_hook(self, hook):
        """Call ``hook(gradient)`` whenever this tensor's gradient is computed; what it returns, if anything, replaces it.

        Returns a handle with ``remove()``.

        >>> import minigrad
        >>> x = minigrad.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> x.sum().backward(); x.grad
        tensor([10., 10.])
        """
        if self.node is None:
            raise errors.GradError("cannot register a hook on a tensor that doesn't require gradient")
        return Handle.add(self.node, "hooks", hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call ``hook(tensor)`` after ``.grad`` of this leaf was updated."""
        if self.node is None:
            raise errors.GradError("cannot register a hook on a tensor that doesn't require gradient")
        if not self.is_leaf:
            raise errors.GradError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return Handle.add(self.node, "post", hook)

    # --------------------------------------------------------------------------------------------------- Python and NumPy
    def numpy(self, *, force=False):
        """The memory as a NumPy array; with ``force`` also from a GPU or a tensor with history.

        GradError for a tensor that requires a gradient: write ``x.detach().numpy()``.
        """
        if self.node is not None and not force:
            raise errors.GradError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        backend = backends.of(self.array)
        if backend.device_type != "cpu" and not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. "
                f"Use Tensor.cpu() to copy the tensor to host memory first."
            )
        return backend.host(self.array)

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        if dtype is None or array.dtype == dtype:
            return array.copy() if copy else array
        if copy is False:
            raise ValueError(f"np.asarray(tensor, copy=False): a {array.dtype} array cannot become {dtype} without a copy")
        return array.astype(dtype)

    def __dlpack__(self, **kwargs):
        if self.node is not None:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def item(self):
        """The one element as a Python number."""
        if self.array.size != 1:
            raise errors.ShapeError(
                f"a Tensor with {self.array.size} elements cannot be converted to Scalar: shape {tuple(self.shape)}; "
                f"reduce it first, for instance with .mean(), or use .tolist()"
            )
        return self.array.item()

    def tolist(self):
        """Nested Python lists, or a number for a 0-d tensor."""
        return self.array.tolist()

    def __bool__(self):
        if self.array.size != 1:
            if self.array.size == 0:
                raise errors.ShapeError("Boolean value of Tensor with no values is ambiguous; test x.numel() == 0")
            raise errors.ShapeError(
                "Boolean value of Tensor with more than one value is ambiguous: "
                "use (a == b).all(), .any(), or minigrad.equal(a, b)"
            )
        return bool(self.array)

    def _number(self):
        if self.array.size != 1:
            raise errors.ShapeError(
                f"only one element tensors can be converted to Python scalars, this one has shape {tuple(self.shape)}"
            )
        return self.array.item()

    def __float__(self):
        return float(self._number())

    def __int__(self):
        return int(self._number())

    def __complex__(self):
        return complex(self._number())

    def __index__(self):
        if self.array.size != 1 or self.array.dtype.kind not in "biu":
            raise TypeError(f"only integer tensors of a single element can be converted to an index, not {errors.describe(self)}")
        return int(self.array.item())

    def __len__(self):
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    __hash__ = object.__hash__

    def __contains__(self, element):
        return bool((self == element).any())

    def __repr__(self, *, tensor_contents=None):
        from .printing import tensor_text

        if hasattr(self.array, "instruction"):  # in a trace there is no value to show that would not mislead
            return f"tensor(<traced>, shape={tuple(self.array.shape)}, dtype={self.dtype})"
        return tensor_text(self)

    def __format__(self, spec):
        if self.array.ndim == 0 and not self.array.dtype.fields:
            return format(self.item(), spec) if spec else (str(self) if self.node is not None else format(self.item()))
        return object.__format__(self, spec)

    def __dir__(self):
        return sorted(set(object.__dir__(self)))

    def __reduce_ex__(self, protocol):
        array = backends.of(self.array).host(self.array)
        if not self.is_leaf:
            raise errors.GradError("pickle: only leaf tensors can be pickled; write x.detach()")
        return _rebuild, (type(self), array, self.requires_grad, str(self.device), dict(self._attributes()))

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise errors.GradError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment; "
                "write x.detach().clone() for a copy without history"
            )
        if id(self) in memo:
            return memo[id(self)]
        out = new(type(self))
        memo[id(self)] = out
        out.array, out.node = self.array.copy(), None
        out.__dict__.update(self._attributes())
        if self.node is not None:
            out.node = graph.leaf(out)
        if self._grad is not None:
            out._grad = self._grad.detach().clone()
        return out

    def _attributes(self):
        """What users have set on this tensor: its ``__dict__`` less our own bookkeeping."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_grad", "_base", "_views")}


# Format -> the dimensions from the outermost in memory to the innermost; of those that are missing, as they stand.
MEMORY_ORDERS = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


def memory_order(memory_format, ndim):
    """How the dimensions of a new tensor lie in memory: a permutation, or None where they are to stay as they are."""
    name = str(memory_format).rpartition(".")[2]
    if memory_format is None or name == "preserve_format":
        return None
    order = MEMORY_ORDERS.get(name)
    if order is not None and len(order) != ndim:
        raise errors.ShapeError(f"required rank {len(order)} tensor to use {name} format, got one of rank {ndim}")
    return order or tuple(range(ndim))


def wrap(array, node=None):
    """A Tensor around an array of any backend."""
    t = new(Tensor)
    t.array = array
    t.node = node
    return t


graph._boxed = wrap


def _address(array):
    if array.__class__ is np.ndarray:
        return array.__array_interface__["data"][0]
    return array.data.ptr


def _rebuild(cls, array, requires_grad, where, attributes):
    backend = backends.on(device(where).type)
    t = new(cls)
    t.array, t.node = backend.upload(np.asarray(array), device(where).index), None
    t.__dict__.update(attributes)
    if requires_grad:
        t.node = graph.leaf(t)
    return t
