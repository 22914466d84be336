"""How often a computation reads a parameter, from its autograd graph."""

from collections import Counter

from torch import Tensor


def count_uses(output: Tensor) -> Counter[int]:
    """Number of operations that read each leaf on which ``output`` depends, by the leaf's id."""
    uses: Counter[int] = Counter()
    assert output.grad_fn is not None
    seen = {output.grad_fn}
    stack = [output.grad_fn]
    while stack:
        for node, _ in stack.pop().next_functions:
            if node is None:
                continue
            if hasattr(node, "variable"):
                uses[id(node.variable)] += 1
            elif node not in seen:
                seen.add(node)
                stack.append(node)
    return uses
