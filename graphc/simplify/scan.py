"""Loops: those that run the same carries become one, and what nobody reads is dropped."""

from __future__ import annotations

from graphc.ir import PARAMETER, Graph, Node, Value, close, topological
from graphc.ops import scan
from graphc.rewrite import transform
from graphc.types import TokenType

# --- merging --------------------------------------------------------------------------------------


def merge_scans(graph: Graph) -> Graph:
    """`graph` with loops over the same inputs and carries made one that gives the ys of all.

    A gradient runs its loop again to record what each step took in; so that run costs nothing.
    """
    groups: dict[object, list[Node]] = {}
    for node in graph.nodes:
        if node.op.name == "scan":
            groups.setdefault(_loop_key(node), []).append(node)
    bodies: dict[Node, Graph] = {}
    for group in groups.values():
        members = _without_second_effect(group)
        if len(members) > 1:
            bodies |= dict.fromkeys(members, _merged_body(members))

    def replace(old: Node, new: Node) -> tuple[Value, ...]:
        merged = bodies.get(old)
        if merged is None:
            return new.outputs
        n_carry = old["n_carry"]
        results = _scan_like(new, merged)
        places = {value: n_carry + k for k, value in enumerate(merged.outputs[n_carry:])}
        ys = (results[places[value]] for value in old.regions[0].outputs[n_carry:])
        return (*results[:n_carry], *ys)

    return transform(graph, replace) if bodies else graph


def _loop_key(node: Node) -> object:
    """What loops must share to be one. Tokens are no part of it: recording runs pass them on."""
    (body,) = node.regions
    carries = tuple(
        None if isinstance(value.type, TokenType) else value
        for value in body.outputs[: node["n_carry"]]
    )
    return (node.inputs, node.attrs, tuple(value.type for value in body.inputs), carries)


def _tokens(node: Node) -> tuple[Value, ...]:
    """What the body makes of the tokens that it carries; none where it passes all of them on."""
    (body,) = node.regions
    pairs = zip(body.inputs, body.outputs[: node["n_carry"]], strict=False)
    tokens = [(taken, given) for taken, given in pairs if isinstance(given.type, TokenType)]
    passive = all(taken == given for taken, given in tokens)
    return () if passive else tuple(given for _, given in tokens)


def _without_second_effect(group: list[Node]) -> list[Node]:
    """The members without effects, and those with the effects of the first that has any."""
    effects = [tokens for tokens in map(_tokens, group) if tokens]
    return [node for node in group if not _tokens(node) or _tokens(node) == effects[0]]


def _merged_body(members: list[Node]) -> Graph:
    """The body with effects, if there is one, with the ys of all."""
    n_carry = members[0]["n_carry"]
    (body,) = max(members, key=lambda node: bool(_tokens(node))).regions
    ys = dict.fromkeys(y for member in members for y in member.regions[0].outputs[n_carry:])
    return Graph(
        body.inputs, (*body.outputs[:n_carry], *ys), names=body.names, notes=dict(body.notes)
    )


def _scan_like(node: Node, body: Graph) -> tuple[Value, ...]:
    n_carry, n_steps = node["n_carry"], node["n_carry"] + node["n_xs"]
    return scan(
        body,
        node.inputs[:n_carry],
        node.inputs[n_carry:n_steps],
        node.inputs[n_steps:],
        node["length"],
        reverse=node["reverse"],
    )


# --- trimming -------------------------------------------------------------------------------------


def trim_scans(graph: Graph) -> Graph:
    """`graph` without the carries, xs, ys and constants of loops that no result depends on.

    A carry that every step passes on unchanged becomes a constant.
    """
    nodes = graph.nodes
    if not any(node.op.name == "scan" for node in nodes):
        return graph
    used = {value for node in nodes for value in node.inputs} | set(graph.outputs)

    def replace(old: Node, new: Node) -> tuple[Value, ...]:
        if old.op.name != "scan":
            return new.outputs
        return _trimmed(new, {v.index for v in old.outputs if v in used})

    return transform(graph, replace)


def _trimmed(node: Node, used: set[int]) -> tuple[Value, ...]:
    """The outputs of a loop that computes only those in `used`; the others stay with `node`."""
    (body,) = node.regions
    n_carry, n_steps = node["n_carry"], node["n_carry"] + node["n_xs"]
    fixed = {k for k in range(n_carry) if body.outputs[k] == body.inputs[k]}
    live = {k for k in used if k >= n_carry or k not in fixed}
    read: set[int] = set()
    while True:
        read = _read(body, [body.outputs[k] for k in sorted(live)])
        grown = live | {k for k in read if k < n_carry and k not in fixed}
        if grown == live:
            break
        live = grown
    carries = [k for k in sorted(live) if k < n_carry]
    ys = list({body.outputs[k]: k for k in sorted(live) if k >= n_carry}.values())
    xs = [k for k in range(n_carry, n_steps) if k in read]
    constants = [k for k in range(len(body.inputs)) if k in read and (k in fixed or k >= n_steps)]
    kept = len(carries) + len(xs) + len(constants), len(carries) + len(ys)
    if kept == (len(body.inputs), len(body.outputs)):
        return node.outputs
    results: dict[int, Value] = {k: node.inputs[k] for k in fixed}
    if carries or ys:
        names = [body.names[k] for k in (*carries, *xs, *constants)] if body.names else []
        smaller = close(
            [body.inputs[k] for k in (*carries, *xs, *constants)],
            [body.outputs[k] for k in (*carries, *ys)],
            names=names,
            notes=body.notes,
        )
        values = scan(
            smaller,
            [node.inputs[k] for k in carries],
            [node.inputs[k] for k in xs],
            [node.inputs[k] for k in constants],
            node["length"],
            reverse=node["reverse"],
        )
        results |= dict(zip([*carries, *ys], values, strict=True))
        same = {body.outputs[k]: results[k] for k in ys}
        results |= {k: same[body.outputs[k]] for k in live if k >= n_carry}
    return tuple(results.get(value.index, value) for value in node.outputs)


def _read(body: Graph, outputs: list[Value]) -> set[int]:
    """The numbers of the parameters that `outputs` depend on."""
    return {node["number"] for node in topological(outputs) if node.op is PARAMETER}
