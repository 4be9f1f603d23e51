"""One turn of a Python loop with a traced position: what is traced in it is the body of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir import Value, fresh_input
from graphc.trace.convert import array_like
from graphc.trace.lineage import Lineage
from graphc.trace.liveness import live_names
from graphc.trace.loop_body import LoopBody
from graphc.trace.loop_lists import GrowingList, Places
from graphc.trace.loop_state import Key, Slot, State, described, same_static
from graphc.trace.recorded import rewrapped
from graphc.trace.values import (
    TracedArray,
    is_traced,
    number,
    scalar,
)
from graphc.trace.views import PickStep, Storage, WindowStep
from graphc.types import DTYPES, Size, TensorType, TokenType

if TYPE_CHECKING:
    from graphc.trace.python_loop import PythonLoop


def is_number(value: Any) -> bool:
    """Whether `value` is a number, of Python's or NumPy's, traced or not; no array."""
    kinds = (bool, int, float, complex, np.number, np.bool_)
    return type(value) is not TracedArray and isinstance(value, kinds)


def assigned(targets: Any, item: Any) -> list[tuple[str, Any]]:
    """The variables that `item` is unpacked to, each with its part."""
    if isinstance(targets, tuple):
        pairs = zip(targets, item, strict=True)
        return [found for target, part in pairs for found in assigned(target, part)]
    return [] if targets is None else [(targets, item)]


@dataclass(slots=True)
class _Number:
    """A number that changes from turn to turn: its slot's key, the parameter, what it held."""

    key: Key
    parameter: Value
    held: Any


class Turn:
    """A turn whose state is parameters: what is traced in it is the body of a scan."""

    def __init__(self, loop: PythonLoop, state: State) -> None:
        self.loop = loop
        self.trace = loop.trace
        self.halves = 0
        grown = state.grown(loop.before)
        self.slots = state.without(grown)
        self.before = loop.before.without(grown)
        self.position = fresh_input(TensorType(DTYPES["int64"], ()))
        self.trace.open_loops.append(loop)
        self.trace.positions[self.position] = (loop.position, loop.length - 1)
        self.start = Storage.created()
        self.token, self.outer_token = fresh_input(TokenType()), self.trace.token
        self.trace.token = self.token
        self.outer_log, self.trace.write_log = self.trace.write_log, {}
        self.storages = self._storages()
        self.held = [storage.value for storage in self.storages]
        self.states = [fresh_input(value.type) for value in self.held]
        for storage, parameter in zip(self.storages, self.states, strict=True):
            storage.rebind(parameter)
        self.lists = [GrowingList(key, state.lists[key][0], count) for key, count in grown.items()]
        self.numbers: list[_Number] = []
        self.problem = ""
        self._replace_numbers()
        self.after: dict[Key, Slot] = {}
        self.images: dict[int, Storage] = {}
        self.captured = len(self.trace.capture.inputs)
        self.given: Any = None

    def item(self, half: int) -> Any:
        """The loop variables of this turn, or of the second one in it."""
        self.halves = half + 1
        place: Any = number(self.position, int)
        self.given = self.loop.items.at(place + half if half else place)
        return self.given

    def second_half(self) -> Any:
        """Go on with another turn in the same body."""
        return self.item(1)

    def _storages(self) -> list[Storage]:
        """Every storage whose value the body may read or write."""
        found: dict[int, Storage] = {}
        for slot in self.slots.values():
            if type(slot.leaf) is TracedArray:
                found.setdefault(id(slot.leaf.storage), slot.leaf.storage)
        for item in self.trace.capture.inputs:
            if item.storage is not None:
                found.setdefault(id(item.storage), item.storage)
        for storage, _ in self.outer_log.values():
            found.setdefault(id(storage), storage)
        return list(found.values())

    def _replace_numbers(self) -> None:
        """Put parameters where numbers have changed in the last turn."""
        for key, slot in self.slots.items():
            old, new = self.before[key].leaf, slot.leaf
            if not is_number(new):
                continue
            if key not in self.loop.plan.moving and (
                old is new
                or (not is_traced(new) and same_static(old, new))
                or (is_traced(old) and is_traced(new) and old.value == new.value)
            ):
                continue
            if slot.store is None:
                self.problem = f"{described(key)} changes, and can't be replaced"
                return
            held = new if is_traced(new) else _traced(new)
            parameter = fresh_input(held.value.type)
            slot.store(rewrapped(held, parameter))
            self.numbers.append(_Number(key, parameter, held))

    # --- the end of the turn ---

    def end(self, state: State) -> str:
        """Take in the state that the turn has left; why it does not fit, or ""."""
        self.after = state.without(item.key for item in self.lists)
        reason = self.problem or self._targets_fit() or self._numbers_fit() or self._arrays_fit()
        return reason or self._lists_fit()

    def _lists_fit(self) -> str:
        touched = {id(storage) for storage, _ in self.trace.write_log.values()}
        self.lineage = Lineage(self.storages, self.images, touched)
        return next(filter(None, (item.end(self.halves, self.lineage) for item in self.lists)), "")

    def _targets_fit(self) -> str:
        """Whether the loop's variables are still what the loop has set, or are not read later."""
        site = self.loop.site
        live = live_names(site.code, site.offset)
        names = self.loop.frame.f_locals
        for name, given in assigned(site.targets, self.given):
            if name in live and names.get(name) is not given:
                return f"{name} is set in the body of its own loop"
        return ""

    def _numbers_fit(self) -> str:
        if self.slots.keys() != self.after.keys():
            key = next(iter(self.slots.keys() ^ self.after.keys()))
            return f"{described(key)} is not there in each turn"
        changing = {item.key: item for item in self.numbers}
        for key, slot in self.after.items():
            before, now = self.slots[key].leaf, slot.leaf
            if key in changing:
                wanted = changing[key].held
                if not is_number(now):
                    return f"{described(key)} changes its kind"
                now = now if is_traced(now) else _traced(now)
                if type(now) is not type(wanted) or now.value.type != wanted.value.type:
                    return f"{described(key)} changes its type"
            elif type(before) is TracedArray:
                if type(now) is not TracedArray:
                    return f"{described(key)} changes its kind"
            elif is_traced(before) or is_traced(now):
                same = is_traced(before) and is_traced(now) and type(before) is type(now)
                if now is not before and not (same and before.value == now.value):
                    return self._changes(key)
            elif not same_static(before, now):
                return self._changes(key)
        return ""

    def _changes(self, key: Key) -> str:
        self.loop.plan.moving.add(key)
        return f"{described(key)} changes"

    def _arrays_fit(self) -> str:
        """Find which storage takes the place of each: of one role before and after the turn."""
        self.images = {}
        for storage in self.storages:
            if storage.source is not None:
                self.images[id(storage)] = storage
        for key, slot in self.after.items():
            if type(slot.leaf) is not TracedArray:
                continue
            before, now = self.slots[key].leaf, slot.leaf
            if not self._same_path(before, now):
                return f"{described(key)} is a view of another part"
            image = self.images.setdefault(id(before.storage), now.storage)
            if image is not now.storage:
                return f"{described(key)} is sometimes another array"
        for storage, state in zip(self.storages, self.states, strict=True):
            image = self.images.setdefault(id(storage), storage)
            if image.value.type != state.type:
                return f"an array changes from {state.type} to {image.value.type}"
        images = [id(image) for image in self.images.values()]
        if len(set(images)) != len(images):
            return "two arrays become one"
        touched = [s for s, _ in self.trace.write_log.values() if s.serial <= self.start]
        later = self.trace.capture.inputs[self.captured :]
        found = any(item.storage is not None and item.storage.version for item in later)
        if found or any(all(s is not known for known in self.storages) for s in touched):
            return "an array is written that was not there before"
        return ""

    def _same_path(self, before: TracedArray, now: TracedArray) -> bool:
        if len(before.path) != len(now.path):
            return False
        return before.path == now.path and not (
            before is not now and any(isinstance(step, PickStep | WindowStep) for step in now.path)
        )

    # --- the scan ---

    def finish(self) -> Size:
        """Make the scan and set the state to what it gives; returns how many turns it runs."""
        body = LoopBody(self.position)
        for item in self.numbers:
            leaf = self.after[item.key].leaf
            result = leaf if is_traced(leaf) else _traced(leaf)
            body.carry(item.parameter, result.value, item.held.value)
        for storage, state, held in zip(self.storages, self.states, self.held, strict=True):
            body.carry(state, self.images[id(storage)].value, held)
        used = self.trace.token is not self.token
        if used:
            last = self.trace.token
            assert last is not None
            self.trace.token = self.outer_token
            body.carry(self.token, last, self.trace.effect())
        for grown in self.lists:
            for value in grown.values():
                body.stack(value)
        turns: Size = self.loop.length - self.loop.position
        if self.halves > 1 or self.lists:
            turns = self.trace.static(turns) // self.halves
        results, stacked = body.scan(self.trace, self.loop.position, turns, self.halves)
        self.leave()
        for item, value in zip(self.numbers, results, strict=False):
            store = self.after[item.key].store
            assert store is not None
            store(rewrapped(item.held, value))
        found = results[len(self.numbers) :]
        for storage, value, held in zip(self.storages, found, self.held, strict=False):
            image = self.images[id(storage)]
            if image.serial > self.start:
                image.rebind(value)
            elif image is not storage or value != held:
                image.assign(value)
        if self.lists:
            assert isinstance(turns, int)
            first = {id(s): (s, value) for s, value in zip(self.storages, self.held, strict=True)}
            places = Places(self.lineage, first, turns - 1)
            for grown in self.lists:
                stacked = grown.take(stacked)
                grown.place(turns, places)
            for grown in self.lists:
                grown.finish(turns, places)
        if used:
            self.trace.token = results[-1]
        return turns * self.halves

    def leave(self) -> None:
        """Put back what the turn has replaced."""
        self.trace.open_loops.remove(self.loop)
        del self.trace.positions[self.position]
        for item in self.lists:
            item.leave()
        self.trace.token = self.outer_token
        self.trace.write_log = self.outer_log
        for storage, value in zip(self.storages, self.held, strict=True):
            storage.rebind(value)


def _traced(value: Any) -> Any:
    """A number that is known while tracing, as a traced one of its kind."""
    found = array_like(value).value
    return scalar(found) if isinstance(value, np.generic) else number(found, type(value))
