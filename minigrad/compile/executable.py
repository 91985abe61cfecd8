"""A traced program as machine code: bound to the memory of its tensors, and called."""

from operator import attrgetter, is_
from sys import getrefcount
from types import FunctionType

import numpy as np

from .. import graph
from ..kernels.cpu import addresses
from ..tensor import wrap
from . import cache, choose, convolution, tasks
from .calls import Calls
from .emit_cpu import Emitter, Shared, is_written
from .expressions import DTYPES, SIXTEEN
from .fuse import fuse, in_rows, kind
from .ir import Graph, Instruction
from .plan import plan
from .replay import Unsuited, refuse_unwritable
from .simplify import dead_code


class Executable:
    """The machine code of a Program. ``stages``: the graph after each pass; ``source``: the generated module's text."""

    def __init__(self, program, apart=None):
        self.program, self.growing = program, program.growing
        self.stages = {"trace": program.graph}
        chosen = choose.choose(program.graph)
        self.stages["choose"] = chosen
        simple = self.stages["simplify"] = _separate_outputs(dead_code(chosen))
        self.graph = simple
        self._sort_inputs()
        self.targets = self._targets()
        self.schedule = fuse(simple, choose.operands)
        self.plan = plan(self.schedule, self.targets, self.argument_of, choose.stays_with_numpy)
        self.plan.numbers = {n: k for k, n in enumerate(self.number_inputs)}
        self.plan.checks_from = len(self.number_inputs) + len(self.number_outputs)
        arguments = [f"a{k}" for k in range(len(self.argument_inputs))]
        results = [f"r{k}" for k in range(len(self.result_outputs))]
        emitter = Emitter(self.schedule, self.plan, self.targets, arguments, results, apart, program.growing)
        self.source, self.segments = emitter.emit()
        self.check_count, self.writes_addresses = emitter.check_count, emitter.writes_addresses
        self.code = None  # nothing is compiled before the first call

    def load(self):
        """Load the module, or compile it, and bind it to memory."""
        module = cache.load(self.source)
        self.calls, self.made = Calls(self.graph), {}
        arrays = [n for n, _ in self.argument_inputs] + [o for _, o in self.result_outputs]
        self.all_typed = all(n.dtype in DTYPES for n in arrays)
        self._compile(module, [_typed(np.empty(n.shape, n.dtype)) for n in arrays])
        self._bind()
        self.code = list(self._calls())
        return self

    def _compile(self, module, arrays):
        """Compile every function, or load it, before the first one runs: what fails has not written anything."""
        import numba

        signature = (numba.int64[::1], numba.float64[::1], *[numba.typeof(a) for a in arrays])
        self.addresses, self.functions, self.write_addresses = {}, {}, None
        if self.writes_addresses and self.all_typed:
            self.write_addresses = _entry(module.addresses, (signature[0], *signature[2:]))
        for s, _ in self.segments:
            if s.__class__ is str:
                self.functions[s] = _entry(getattr(module, s), signature)
            elif s.__class__ is Shared and s.name not in self.addresses:
                self.addresses[s.name] = addresses.address(getattr(module, s.name))

    def _calls(self):
        """(what a call of the step runs, the checks after it): functions of its module, tasks in turn, calls from Python."""
        waiting, checked = [], []
        for segment, checks in self.segments:
            call = None
            if segment.__class__ is str:
                call = self.functions[segment]
            elif segment.__class__ is not Shared:
                call = self._by_numpy(segment)
            else:
                task = self.addresses[segment.name], segment.row, segment.rows
                if tasks.is_worth_sharing(segment.rows):
                    call = tasks.side_by_side(task, self.table, self.numbers)
                else:
                    checked += checks
                    waiting.append((*task, len(checked) if checks else 0))
            if waiting and call:
                yield self._in_turn(waiting, checked), checked
                waiting, checked = [], []
            if call:
                yield call, checks
        if waiting:
            yield self._in_turn(waiting, checked), checked

    def _in_turn(self, waiting, checked):
        first = checked[0][0] if checked else 0
        return tasks.in_turn(waiting, self.table, self.numbers, first)

    # ------------------------------------------------------------------------------------------------- inputs and outputs
    def _sort_inputs(self):
        """Which inputs are captured Tensors (their addresses stand in the table), which are read anew at each call."""
        self.number_inputs, self.argument_inputs, self.captured, self.number_readers = [], [], {}, []
        for n, read, source in zip(self.graph.inputs, self.program.readers, self.program.sources):
            if n.number:
                self.number_inputs.append(n)
                self.number_readers.append((len(self.number_inputs) - 1, read))
            elif source is not None and source[0] == "captured":
                self.captured[n] = source[1]
            else:
                self.argument_inputs.append((n, read))
        self.argument_of = {n: k for k, (n, _) in enumerate(self.argument_inputs)}
        found = [dict(zip(self.graph.inputs, self.program.sources))[n] for n, _ in self.argument_inputs]
        self.positions = [k for _, k in found] if all(source is not None for source in found) else None

    def _targets(self):
        """Where each output goes: see :func:`minigrad.compile.plan.plan`."""
        targets, self.result_outputs, self.gradients, self.number_outputs = {}, [], [], []
        effect_of = {e.output: e for e in self.program.effects if e.output is not None}
        for k, o in enumerate(self.graph.outputs):
            effect = effect_of.get(k)
            if o.number:
                targets[o] = ("number", len(self.number_inputs) + len(self.number_outputs))
                self.number_outputs.append(k)
            elif effect is not None and effect.writes is not None:
                targets[o] = ("state", effect.writes)
            elif effect is not None and effect.owner is not None:
                targets[o] = ("gradient", len(self.gradients))
                self.gradients.append((k, o, effect.owner))
            else:
                targets[o] = ("result", len(self.result_outputs))
                self.result_outputs.append((k, o))
        return targets

    # --------------------------------------------------------------------------------------------------------------- memory
    def _bind(self):
        """Arena, table of addresses, and what a call does besides the machine code."""
        self.arena = self.program.arena.take(self.plan.arena_size)
        self.table = np.zeros(len(self.plan.table), np.int64)
        self.numbers = np.full(self.plan.checks_from + self.check_count, -1.0)
        self.kept, self.bound, self.places = [], [], []
        self.gradient_places, self.each_call = [None] * len(self.gradients), []
        for k, (what, key) in enumerate(self.plan.table):
            if what == "arena":
                self.table[k] = self.arena.ctypes.data + (key or 0)
            elif what == "constant":
                self.kept.append(np.ascontiguousarray(key.params["value"]))
                self.table[k] = self.kept[-1].ctypes.data
            elif what == "made":
                pass
            elif what in ("argument", "result"):
                self.each_call.append((k, what == "result", key))
            elif what == "input":
                self.bound.append(self.captured[key])
                self.places.append(k)
            elif what == "gradient":
                self.gradient_places[key] = k
        self.gradient_tensors = [self._gradient(k) for k in range(len(self.gradients))]
        self.gradient_owners = [_fixed(owner) for _, _, owner in self.gradients]
        self.owners_vary = any(owner.__class__ is FunctionType for owner in self.gradient_owners)
        self.result_positions = [k for k, _ in self.result_outputs]
        self.result_kinds = [(o.shape, o.dtype) for _, o in self.result_outputs]
        self.moved = None  # how many moves of captured Tensors the table knows of
        self.group, self.grouped = graph.writes.group(()), ()
        self.written = [e.writes for e in self.program.effects if e.writes is not None]
        self.late = set(self.plan.late)
        effects = [e for e in self.program.effects if e.writes is None and e.owner is None]
        late = [e for e in self.program.effects if e.output is not None and self.graph.outputs[e.output] in self.late]
        self.effects = [*late, *effects]
        self.stamped = [self.captured[n] for n in self.written if n in self.captured]
        self.bound_arrays = [None] * len(self.bound)
        self.written_arguments = [self.argument_of[n] for n in self.written if n in self.argument_of]

    def _rebind(self):
        """Captured Tensors have other memory than before: look up their addresses."""
        arrays = [t.array for t in self.bound]
        written = set(map(id, self.stamped))
        for t, a in zip(self.bound, arrays):
            if not (a.flags.c_contiguous and (a.flags.writeable or id(t) not in written)):
                raise Unsuited(f"a captured tensor of shape {tuple(a.shape)} does not lie in rows in memory")
        graph.writes.ungroup(self.group, self.grouped)
        self.grouped = [t.array for t in self.stamped]
        self.group = graph.writes.group(self.grouped)
        for k, a in zip(self.places, arrays):
            self.table[k] = a.ctypes.data
        self.bound_arrays = arrays

    def __call__(self, args):
        with self.program.arena.turn:  # threads that call one function take turns: its memory is one
            return self._run(args)

    def _run(self, args):
        if self.code is None:
            self.load()
        depends = self.program.depends
        if depends is None or depends.moved != self.moved:  # else whoever asked the guards has compared all arrays
            if not all(map(is_, map(_array_of, self.bound), self.bound_arrays)):
                self._rebind()
            self.moved = None if depends is None else depends.moved
        numbers = self.numbers
        for k, read in self.number_readers:
            numbers[k] = read(args)
        if self.positions is None:
            arrays = [read(args) for _, read in self.argument_inputs]
        else:  # all are arguments
            arrays = [args[k].array for k in self.positions]
        for k in self.written_arguments:
            refuse_unwritable(arrays[k])
        given = [a if a.flags.c_contiguous else np.ascontiguousarray(a).reshape(a.shape) for a in arrays]
        gradients, owners = self.gradient_tensors, self.gradient_owners
        if self.owners_vary:
            owners = [owner(args) if owner.__class__ is FunctionType else owner for owner in owners]
        for k, (t, owner) in enumerate(zip(gradients, owners)):
            # the owner has it too, unless it was taken away; whoever else has it keeps it
            if self.growing or getrefcount(t) > _OURS + (owner._grad is t) or getrefcount(t.array) > _ITS_OWN:
                gradients[k] = self._gradient(k)
        results = [np.empty(shape, dtype) for shape, dtype in self.result_kinds]
        self.given = given, results  # for calls from Python, while this one lasts
        typed = given + results if self.all_typed else [_typed(a) for a in given + results]
        if self.write_addresses is not None:
            self.write_addresses(self.table, *typed)
        else:
            for k, is_result, i in self.each_call:
                self.table[k] = (results if is_result else given)[i].ctypes.data
        for code, checks in self.code:
            code(self.table, numbers, *typed)
            for slot, error, n in checks:  # before anything that comes later writes to a parameter
                if numbers[slot] >= 0:
                    raise self._failed(slot, error, n, given, results)
        self.given = None
        for k in self.written_arguments:
            if given[k] is not arrays[k]:
                arrays[k][...] = given[k]
            graph.writes.stamp(arrays[k])
        return self._finish(args, results, owners)

    def _finish(self, args, results, owners):
        graph.writes.stamp_group(self.group)
        for owner, t in zip(owners, self.gradient_tensors):
            owner._grad = t
        positions = self.result_positions
        values = {positions[0]: results[0]} if len(results) == 1 else dict(zip(positions, results))
        for position, k in enumerate(self.number_outputs):
            values[k] = float(self.numbers[len(self.number_inputs) + position])
        for e in self.effects:
            e.function(args, None if e.output is None else self._value(e.output, values))
        if self.growing:  # the function's many programs would keep as many gradients of each parameter
            self.gradient_tensors = [None] * len(self.gradients)
        return self.program.build(values, args)

    def _value(self, k, values):
        return values[k] if k in values else self._array(self.graph.outputs[k], (), ())

    def _gradient(self, k):
        """New memory for a gradient: that of the last call is written over where nobody but its parameter still has it."""
        o = self.gradients[k][1]
        t = wrap(np.empty(o.shape, o.dtype))
        self.table[self.gradient_places[k]] = t.array.ctypes.data
        return t

    def _failed(self, slot, error, n, given, results):
        place, self.numbers[slot] = int(self.numbers[slot]), -1
        return error([self._operand(i, given, results) for i in n.arguments], place)

    # ------------------------------------------------------------------------------------------------ what stays with NumPy
    def _written(self, n):
        """A function that runs one call of a kernel, which writes into the memory of the step."""
        write, values = convolution.writer(n), [in_rows(i) for i in n.inputs] + [n]
        fixed = [self._array(v, (), ()) if self.plan.storage[v].where == "arena" else None for v in values]
        captured = [(k, self.captured[v]) for k, v in enumerate(values) if v in self.captured]
        places = [(k, v) for k, v in enumerate(values) if fixed[k] is None and v not in self.captured]

        def run(table, numbers, *_):
            arrays = list(fixed)
            for k, t in captured:
                arrays[k] = t.array
            if places:
                arguments, results = self.given
                for k, v in places:
                    arrays[k] = self._array(v, arguments, results)
            write(*arrays)

        return run

    def _by_numpy(self, n):
        """A function that runs one call on the arrays of the step."""
        if convolution.takes(n):
            return self._written(n)
        outputs = [n] if n.dtype is not None else [p for p in self.graph.nodes if p.op == "pick" and p.inputs[0] is n]
        places = [(o, self._made_at(o)) for o in outputs]
        compute = self.calls.function(n)

        def run(table, numbers, *_):
            arguments, results = self.given
            values = [self._operand(i, arguments, results) if i.__class__ is Instruction else i for i in n.inputs]
            with np.errstate(all="ignore"):
                found = compute(values)
            for o, place in places:
                value = found if o is n else found[o.params["output"]]
                if place is None:
                    self._array(o, arguments, results)[...] = value
                else:
                    value = np.ascontiguousarray(value, o.dtype).reshape(o.shape)
                    if any(v.__class__ is np.ndarray and np.may_share_memory(v, value) for v in values):
                        value = value.copy()  # a view, of memory that others get after the operand's last reader
                    self.made[o], table[place] = value, value.ctypes.data

        return run

    def _made_at(self, o):
        storage = self.plan.storage[o]
        is_made = storage.where == "table" and self.plan.table[storage.number][0] == "made"
        return storage.number if is_made else None

    def _operand(self, i, arguments, results):
        if i.number:
            return self._number(i, arguments, results)
        if i.op == "constant":
            return i.params["value"]
        return self._array(in_rows(i), arguments, results).reshape(i.shape)

    def _number(self, n, arguments, results):
        if n.op == "input":
            return float(self.numbers[self.number_inputs.index(n)])
        return n.call([self._operand(i, arguments, results) if i.__class__ is Instruction else i for i in n.inputs])

    def _array(self, n, arguments, results):
        """The NumPy array of a value in the memory of the step."""
        storage = self.plan.storage[n]
        if storage.where == "arena":
            size = n.dtype.itemsize * int(np.prod(n.shape))
            return self.arena[storage.number : storage.number + size].view(n.dtype).reshape(n.shape)
        if storage.where == "argument":
            return arguments[storage.number]
        if storage.where == "result":
            return results[storage.number]
        what, key = self.plan.table[storage.number]
        if what == "made":
            return self.made[key]
        return self.captured[key].array if what == "input" else self.gradient_tensors[key].array


def _references():
    """What getrefcount says in Executable._run of a gradient that our list alone has, and of its array."""
    for _, (t, _) in enumerate(zip([wrap(np.empty(0))], [None])):
        return getrefcount(t), getrefcount(t.array)


_OURS, _ITS_OWN = _references()
_array_of = attrgetter("array")


def _typed(array):
    """An array as compiled code knows it: numbers of 16 bits as integers, and nothing of dtypes that it does not know."""
    return array if array.dtype in DTYPES else array.view(np.uint16) if array.dtype in SIXTEEN else _UNTYPED


_UNTYPED = np.empty(0, np.uint8)  # stands for arrays of dtypes that compiled code does not know


def _entry(function, signature):
    """What a compiled function's dispatcher would call for arrays of this signature, without asking each for its type."""
    function.compile(signature)
    return function.overloads[signature].entry_point


def _fixed(owner):
    """The Tensor that ``owner(arguments)`` gives for any arguments; ``owner`` itself where it depends on them."""
    try:
        return owner(())
    except IndexError:
        return owner


def is_possible(program):
    """Whether all arrays lie on the CPU, and run-time numbers are ones that a step can compute."""
    nodes = [*program.graph.inputs, *program.graph.nodes]
    return program.on_host and all(not n.number or is_written(n) for n in nodes)


def _separate_outputs(found):
    """Each output a value of its own: an input, a view, a constant, or what is an output already, is copied."""
    taken, outputs, nodes = set(), [], list(found.nodes)
    for o in found.outputs:
        if o in taken or (not o.number and kind(o) in ("input", "view")):
            copy = Instruction("copy", [o])
            copy.shape, copy.dtype, copy.number = o.shape, o.dtype, o.number
            nodes.append(copy)
            o = copy
        taken.add(o)
        outputs.append(o)
    return Graph(found.inputs, nodes, outputs, found.state)
