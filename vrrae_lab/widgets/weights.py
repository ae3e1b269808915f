"""A frozen model as the page runs it: lists of layers over one buffer of weights (`page/src/model/spec.ts`).

A part that is none of those below is refused, and so is a model with arrays that no layer has taken: the page shows
what the model computes, or nothing.
"""

import inspect
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from vrrae_lab.bottlenecks import FixedBasis, Identity, LinearStack, LowRank, Sigmoid, Variational, VariationalLowRank
from vrrae_lab.checks import check_kind
from vrrae_lab.convolution import Convolution, TransposedConvolution
from vrrae_lab.models import Autoencoder, check_frozen
from vrrae_lab.models.autoencoder import check_model
from vrrae_lab.models.precision import InBfloat16
from vrrae_lab.nets import ConvDecoder, ConvEncoder
from vrrae_lab.widgets.card import as_bytes
from vrrae_lab.widgets.dense import DenseDecoder, DenseEncoder

Precision = Literal["float32", "float16"]
Layer = dict[str, Any]

# The colour of a model is that of its bottleneck.
FAMILIES: dict[type, str] = {
    Identity: "ae",
    LinearStack: "ae",
    Sigmoid: "ae",
    Variational: "vae",
    LowRank: "rrae",
    VariationalLowRank: "vrrae",
}
_IDENTITY = inspect.signature(eqx.nn.MLP).parameters["final_activation"].default


class PageCannotRun(TypeError):
    """The page has no layer for some part of a model, so that Python has to decode."""


def page_model(model: Autoencoder, *, name: str, precision: Precision = "float32") -> tuple[dict[str, Any], bytes]:
    """What the page needs to encode and decode by itself.

    Args:
        model: a frozen model.
        name: what readers call it, such as "VRRAE".
        precision: of the weights on their way; the page computes in float32. Of a `mixed_precision` model it runs the
            float32 weights too.

    Returns:
        The description, ready for JSON, and the weights.

    Raises:
        PageCannotRun: if a part of the model is none that the page knows; the message names it.
        ValueError: if the model takes its basis from each batch, or a weight is not finite or too large for float16;
            the message names the array.
    """
    check_model(model)
    check_kind("name", name, str, "give a text, such as 'VRRAE'")
    if precision not in ("float32", "float16"):
        raise ValueError(f"precision = {precision!r}: use 'float32' or 'float16'")
    check_frozen(model, f"the {name}")
    weights = _Weights(model, name, precision)
    encoder, decoder = weights.net(model.encoder), weights.net(model.decoder)
    bottleneck = model.bottleneck
    if type(bottleneck) not in FAMILIES:
        raise _unknown(bottleneck)
    mean: list[Layer] = []
    log_variance: list[Layer] | None = None
    if isinstance(bottleneck, Sigmoid):
        mean = [{"op": "sigmoid"}]
    elif isinstance(bottleneck, LinearStack):
        mean = [weights.linear(layer) for layer in bottleneck.layers]
    elif isinstance(bottleneck, Variational | VariationalLowRank):
        mean_layer = bottleneck.mean_layer
        mean = [] if isinstance(mean_layer, eqx.nn.Identity) else [weights.linear(mean_layer)]
        log_variance = [weights.linear(bottleneck.log_variance_layer)]
    latent_size = rank = encoder[-1]["weight"]["shape"][0]
    basis = getattr(bottleneck, "basis", None)
    if isinstance(basis, FixedBasis):
        rank = basis.rank
        off: Layer = {} if basis.offset is None else {"bias": weights.add(-basis.offset @ basis.matrix)}
        on: Layer = {} if basis.offset is None else {"bias": weights.add(basis.offset)}
        encoder.append({"op": "linear", "weight": weights.add(basis.matrix, transposed=True)} | off)
        decoder.insert(0, {"op": "linear", "weight": weights.add(basis.matrix)} | on)
    weights.check_complete()
    spec = {
        "name": name,
        "family": FAMILIES[type(bottleneck)],
        "shape": list(model.shape),
        "latentSize": latent_size,
        "rank": rank,
        "encoder": encoder,
        "mean": mean,
        "logVariance": log_variance,
        "decoder": decoder,
    }
    return spec, bytes(weights.buffer)


class _Weights:
    """The buffer while it is written, and what of the model is not yet in it."""

    def __init__(self, model: Autoencoder, name: str, precision: Precision) -> None:
        self.buffer, self._name, self._precision = bytearray(), name, precision
        arrays, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(model, eqx.is_array))
        self._left = {id(array): jax.tree_util.keystr(path)[1:] for path, array in arrays}
        for _, array in arrays:
            largest, what = np.abs(array).max(initial=0), f"{self._left[id(array)]} of the {name}"
            if not np.isfinite(largest):
                raise ValueError(
                    f"{what} contains NaN or infinity: the model has diverged; "
                    "train it again with a lower learning rate"
                )
            if largest > np.finfo(precision).max:
                raise ValueError(
                    f"{what} contains {largest:.3g}, which is too large for float16: use precision='float32'"
                )

    def add(self, array: Array, *, transposed: bool = False) -> dict[str, Any]:
        """Write an array; returns where it lies."""
        self._left.pop(id(array), None)
        numbers = np.asarray(array.T if transposed else array, self._precision)
        offset = len(self.buffer)
        self.buffer += as_bytes(numbers, numbers.dtype.type)
        return {"shape": list(numbers.shape), "dtype": self._precision, "offset": offset}

    def check_complete(self) -> None:
        if self._left:
            raise PageCannotRun(
                f"the page does not know what {', '.join(self._left.values())} of the {self._name} does"
            )

    def linear(self, layer: eqx.nn.Linear, activation: Any = _IDENTITY) -> Layer:
        weight = {"op": "linear", "weight": self.add(layer.weight)}
        bias = {} if layer.bias is None else {"bias": self.add(layer.bias)}
        if activation is not _IDENTITY and activation is not jax.nn.relu:
            raise _unknown(activation)
        return weight | bias | {"relu": activation is jax.nn.relu}

    def net(self, net: Any) -> list[Layer]:
        """An encoder or a decoder."""
        if isinstance(net, InBfloat16):
            net = net.network
        if type(net) is ConvEncoder:
            convolutions = [self.convolution(layer, relu=True) for layer in net.convolutions]
            return [*convolutions, self.linear(net.linear)]
        if type(net) is ConvDecoder:
            doublings = [self.convolution(layer, relu=True) for layer in net.convolutions]
            times = 2 ** len(doublings)
            start = [*(-(-side // times) for side in net.shape[:2]), doublings[0]["weight"]["shape"][2]]
            reshape = {"op": "reshape", "shape": start}
            return [self.linear(net.linear), reshape, *doublings, self.convolution(net.last)]
        if type(net) in (DenseEncoder, DenseDecoder):
            *hidden, last = net.net.layers
            layers = [self.linear(layer, net.net.activation) for layer in hidden]
            layers.append(self.linear(last, net.net.final_activation))
            return layers if type(net) is DenseEncoder else [*layers, {"op": "reshape", "shape": list(net.shape)}]
        raise _unknown(net)

    def convolution(self, layer: Convolution | TransposedConvolution, *, relu: bool = False) -> Layer:
        arrays = {"weight": self.add(layer.weight), "bias": self.add(layer.bias), "relu": relu}
        if isinstance(layer, TransposedConvolution):
            return {"op": "transposed"} | arrays
        return {"op": "conv", "stride": layer.stride, "padding": layer.padding} | arrays


def _unknown(part: Any) -> PageCannotRun:
    what = getattr(part, "__name__", type(part).__name__)
    return PageCannotRun(f"the page has no layer for {what}, which is none of this package's: decode it in Python")
