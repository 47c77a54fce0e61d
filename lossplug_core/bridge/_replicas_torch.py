"""Replicas that are the processes of torch's default group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed
from torch.autograd.function import once_differentiable

from lossplug_core.errors import DataError

__all__ = ["replicas_here"]


def replicas_here(tensors: Sequence[Any]) -> Processes | None:
    """The processes, if torch knows of several, and these tensors have values."""
    if not distributed.is_available() or not distributed.is_initialized():
        return None
    # Keras asks for shapes with tensors that have none.
    if distributed.get_world_size() == 1 or any(t.device.type == "meta" for t in tensors):
        return None
    return Processes()


class Processes:
    """The processes, seen from one of them."""

    def share(self, tensors: Sequence[Any]) -> Share:
        """The batch to which the rows of these tensors belong."""
        size = tensors[0].shape[0]
        for tensor in tensors:
            if tensor.ndim and tensor.shape[0] != size:
                raise DataError(
                    "What is gathered from all processes has another size than the prediction.",
                    expected=f"{size} rows in each target and output",
                    received=tuple(tensor.shape),
                    fix="global_batch=True needs one row per sample in all of them.",
                )
        sizes = _gathered(torch.tensor([size], device=tensors[0].device))
        return Share(tuple(int(one) for one in torch.cat(sizes)), distributed.get_rank())

    def total(self, value: Any) -> Any:
        """The mean, as `DistributedDataParallel` takes that of gradients."""
        value = value.detach().clone()
        distributed.all_reduce(value)
        return value / distributed.get_world_size()

    def agreed(self, value: Any) -> Any:
        """The mean of floats; of other numbers those of the first process."""
        if value.is_floating_point():
            return self.total(value)
        value = value.detach().clone()
        distributed.broadcast(value, src=0)
        return value


@dataclass(frozen=True)
class Share:
    """The rows of one process, in the whole batch."""

    sizes: tuple[int, ...]
    rank: int

    @property
    def start(self) -> int:
        """How many rows come before those of this process."""
        return sum(self.sizes[: self.rank])

    def whole(self, rows: Any) -> Any:
        """The rows of all processes."""
        return _Gather.apply(rows, self) if rows.ndim else rows

    def own(self, rows: Any) -> Any:
        """The rows of this process."""
        return rows.narrow(0, self.start, self.sizes[self.rank])


class _Gather(torch.autograd.Function):  # type: ignore[misc]
    """All rows on every process, each of which sends back its gradient of all of them."""

    @staticmethod
    def forward(context: Any, rows: Any, share: Share) -> Any:
        context.share = share
        # All processes must send as many rows: short ones are filled up.
        missing = max(share.sizes) - rows.shape[0]
        padded = torch.cat([rows, rows.new_zeros((missing, *rows.shape[1:]))]) if missing else rows
        pieces = zip(_gathered(padded.contiguous()), share.sizes, strict=True)
        return torch.cat([piece[:size] for piece, size in pieces])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(context: Any, gradient: Any) -> Any:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return context.share.own(total), None


def _gathered(tensor: Any) -> list[Any]:
    pieces = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
    distributed.all_gather(pieces, tensor)
    return pieces
