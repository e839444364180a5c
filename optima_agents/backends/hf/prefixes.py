"""PrefixPool: keys and values of prompts seen before, in blocks, least recently used first out.

Siblings of one instance share their prompt, and a dialogue's next prompt repeats the last one, so most of a prompt
need not be computed again. A block is known by its tokens and by the block before it, never by a hash alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

import torch

from .slots import SlotCache

BLOCK = 16


class PrefixPool:
    """Holds at most ``max_bytes`` of blocks of 16 tokens; less than one block's worth switches it off."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._blocks: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # key -> (row of the store, its own name)
        self._free: list[int] = []
        self._named = 0
        self._count = 0
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    def clear(self) -> None:
        """Forget everything; needed after any change of the weights."""
        self._free.extend(place for place, _ in self._blocks.values())
        self._blocks.clear()

    def match(self, root: Hashable, ids: Sequence[int]) -> tuple[list[int], Hashable]:
        """Store rows of the longest known prefix of ``ids``, and the key of the first block missing.

        The last token is never matched: its logits are still to be computed. ``root`` keeps adapters apart.
        """
        parent: Hashable = root
        found: list[tuple[Hashable, int]] = []
        for start in range(0, len(ids) - BLOCK, BLOCK):
            key = (parent, tuple(ids[start : start + BLOCK]))
            block = self._blocks.get(key)
            if block is None:
                break
            found.append((key, block[0]))
            parent = block[1]
        else:
            key = None
        for known, _ in reversed(found):  # a block must outlive the blocks that build on it
            self._blocks.move_to_end(known)
        return [place for _, place in found], key

    def load(self, places: list[int], cache: SlotCache, row: int) -> None:
        """Copy the blocks into the first columns of a row of ``cache``."""
        if not places:
            return
        where = torch.tensor(places, device=self._keys[0].device)
        for index, layer in enumerate(cache.slot_layers):
            for store, target in ((self._keys[index], layer.keys), (self._values[index], layer.values)):
                blocks = store[where].transpose(0, 1)  # heads, blocks, BLOCK, dim
                target[row, :, : len(places) * BLOCK] = blocks.flatten(1, 2)

    def save(self, root: Hashable, ids: Sequence[int], cache: SlotCache, row: int) -> None:
        """Keep every whole block of ``ids``, whose keys and values fill the first columns of ``row``."""
        parent: Hashable = root
        columns: list[int] = []
        places: list[int] = []
        path: list[Hashable] = []
        if not self._keys:
            self._allocate(cache)
        for start in range(0, len(ids) - BLOCK + 1, BLOCK):
            if len(path) == self._count:  # one more would push out the first block of this very path
                break
            key = (parent, tuple(ids[start : start + BLOCK]))
            block = self._blocks.get(key)
            if block is None:
                place = self._free.pop() if self._free else self._blocks.popitem(last=False)[1][0]
                self._named += 1
                block = self._blocks[key] = (place, self._named)
                columns.append(start)
                places.append(place)
            else:
                self._blocks.move_to_end(key)
            path.append(key)
            parent = block[1]
        for key in reversed(path):
            self._blocks.move_to_end(key)
        if columns:
            self._store(cache, row, columns, places)

    def _store(self, cache: SlotCache, row: int, columns: list[int], places: list[int]) -> None:
        first, last = columns[0], columns[-1] + BLOCK  # missing blocks are the tail of the path: one run of columns
        where = torch.tensor(places, device=self._keys[0].device)
        for index, layer in enumerate(cache.slot_layers):
            for store, source in ((self._keys[index], layer.keys), (self._values[index], layer.values)):
                store[where] = source[row, :, first:last].unflatten(1, (-1, BLOCK)).transpose(0, 1)

    def _allocate(self, cache: SlotCache) -> None:
        tensors = [(layer.keys, layer.values) for layer in cache.slot_layers]
        size = sum(t.shape[1] * t.shape[3] * BLOCK * t.element_size() for pair in tensors for t in pair)
        self._count = count = self.max_bytes // size
        # empty, not zeros: memory the pool never fills is then never touched
        for keys, values in tensors:
            self._keys.append(keys.new_empty(count, keys.shape[1], BLOCK, keys.shape[3]))
            self._values.append(values.new_empty(count, values.shape[1], BLOCK, values.shape[3]))
        self._free = list(range(count - 1, -1, -1))
