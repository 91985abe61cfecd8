"""The machine code of the two halves of a model's training step: what one keeps for the other lies in one block of memory."""

import math

import numpy as np

from .cut import HalfCalls
from .executable import Executable
from .plan import ALIGNMENT


class Block:
    """The values that a forward pass keeps for its backward pass."""

    __slots__ = ("address", "memory")

    def __init__(self, size):
        self.memory = np.empty(size + ALIGNMENT, np.uint8)
        self.address = self.memory.ctypes.data
        start = -self.address % ALIGNMENT
        self.memory, self.address = self.memory[start:], self.address + start

    def array(self, start, like):
        size = like.dtype.itemsize * math.prod(like.shape)
        return self.memory[start : start + size].view(like.dtype).reshape(like.shape)


class Layout:
    """Where in a Block each of some values lies."""

    def __init__(self, values):
        self.starts, self.size = [], 0
        for n in values:
            self.starts.append(self.size)
            self.size += -(-max(math.prod(n.shape) * n.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT

    def bound_to(self, places):
        """For a table of addresses: (the entries of the values that have one, where each lies in a block)."""
        return np.array(list(places.values()), np.int64), np.array([self.starts[k] for k in places], np.int64)


class Slot:
    """Stands for a Tensor from outside whose array is another in each call."""

    __slots__ = ("array",)


class Kept:
    """Stands for a value in the block of the present call."""

    def __init__(self, code, number, like):
        self.code, self.number, self.like = code, number, like

    @property
    def array(self):
        return self.code.block.array(self.code.layout.starts[self.number], self.like)


class ForwardCode(Executable):
    """The forward half. Its program's outputs from ``first`` on are kept."""

    def _targets(self):
        targets, first = super()._targets(), self.program.first
        self.result_outputs = [(k, o) for k, o in self.result_outputs if k < first]
        self.saved = self.graph.outputs[first:]
        targets.update({o: ("saved", k) for k, o in enumerate(self.saved)})
        return targets

    def _bind(self):
        super()._bind()
        self.calls, self.layout, self.block = HalfCalls(self.graph), Layout(self.saved), None
        places = {key: k for k, (what, key) in enumerate(self.plan.table) if what == "saved"}
        self.entries, self.starts = self.layout.bound_to(places)

    def call(self, args):
        """(what the program's ``build`` gives, the Block, what kernels have left)."""
        with self.program.arena.turn:
            if self.code is None:
                self.load()
            block = self.block = Block(self.layout.size)
            self.table[self.entries] = self.starts + block.address
            try:
                return self._run(args), block, self.calls.left()
            finally:
                self.block = None

    def _array(self, n, arguments, results):
        storage = self.plan.storage[n]
        if storage.where == "table" and self.plan.table[storage.number][0] == "saved":
            return self.block.array(self.layout.starts[self.plan.table[storage.number][1]], n)
        return super()._array(n, arguments, results)


class BackwardCode(Executable):
    """The backward half. Its program's inputs are the gradients of the results, ``kept`` values, and what is outside."""

    def _sort_inputs(self):
        super()._sort_inputs()
        program = self.program
        inputs = [n for n, source in zip(self.graph.inputs, program.sources) if source is None]
        self.from_block = {n: k for k, n in enumerate(inputs[: program.kept])}
        self.outside = {n: k for k, n in enumerate(inputs[program.kept :]) if not n.number}
        self.captured = {n: Kept(self, k, n) for n, k in self.from_block.items()} | {n: Slot() for n in self.outside}
        self.argument_inputs = [(n, read) for n, read in self.argument_inputs if n not in self.captured]
        self.argument_of = {n: k for k, (n, _) in enumerate(self.argument_inputs)}
        self.positions = list(range(len(self.argument_inputs)))

    def _targets(self):
        self.result_outputs, self.gradients, self.number_outputs = [], [], []
        return {o: ("fresh", k) for k, o in enumerate(self.graph.outputs)}

    def _bind(self):
        super()._bind()
        self.calls, self.layout, self.fresh = HalfCalls(self.graph), Layout(self.from_block), None
        place = {entry: k for k, entry in enumerate(self.plan.table)}
        found = {k: place["input", n] for n, k in self.from_block.items() if ("input", n) in place}
        self.entries, self.starts = self.layout.bound_to(found)
        self.elsewhere = [(self.captured[n], place["input", n], k) for n, k in self.outside.items() if ("input", n) in place]
        self.fresh_places = [place["fresh", k] for k in range(len(self.graph.outputs))]
        self.fresh_kinds = [(o.shape, o.dtype) for o in self.graph.outputs]
        self.moved = self.program.depends = None

    def call(self, gradients, record):
        """The gradients of the leaves, for those of the results and the Record of the forward pass."""
        with self.program.arena.turn:
            if self.code is None:
                self.load()
            table, block = self.table, record.block
            table[self.entries] = self.starts + block.address
            for slot, place, k in self.elsewhere:
                a = record.outside[k]
                slot.array = a = a if a.flags.c_contiguous else np.ascontiguousarray(a)
                table[place] = a.ctypes.data
            self.block, self.fresh = block, [np.empty(shape, dtype) for shape, dtype in self.fresh_kinds]
            for place, a in zip(self.fresh_places, self.fresh):
                table[place] = a.ctypes.data
            self.calls.residuals = dict(record.residuals)
            try:
                return self._run((*gradients, record))
            finally:
                self.block = self.fresh = None
                for slot, _, _ in self.elsewhere:
                    slot.array = None

    def _rebind(self):
        """Addresses are written in each call."""

    def _finish(self, args, results, owners):
        return self.fresh

    def _array(self, n, arguments, results):
        storage = self.plan.storage[n]
        if storage.where == "table" and self.plan.table[storage.number][0] == "fresh":
            return self.fresh[self.plan.table[storage.number][1]]
        return super()._array(n, arguments, results)
