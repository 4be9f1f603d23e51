"""Networks: modules, layers, functions, losses, in plain NumPy and traced as a user's code is.

============== ====================================================================================
modules        `Module`, `Sequential`
layers         `Linear`, `Embedding`, `Dropout`, `Flatten`, `BatchNorm1d`, `BatchNorm2d`,
               `LayerNorm`, `Conv1d`, `Conv2d`, `MaxPool2d`, `AvgPool2d`, `RNN`, `LSTM`, `GRU`,
               `MultiHeadAttention`, `ReLU`, `Sigmoid`, `Tanh`, `GELU`, `Softmax`
functions      `relu`, `sigmoid`, `tanh`, `gelu`, `silu`, `softplus`, `leaky_relu`, `elu`,
               `softmax`, `log_softmax`, `logsumexp`, `one_hot`, `embedding`, `dropout`,
               `batch_norm`, `layer_norm`, `attention`, `conv1d`, `conv2d`, `max_pool2d`,
               `avg_pool2d`
losses         `mse_loss`, `l1_loss`, `huber_loss`, `cross_entropy`, `binary_cross_entropy`,
               `binary_cross_entropy_with_logits`
first values   `init`
============== ====================================================================================

Names, arguments, defaults and layouts are PyTorch's, so that its state dicts load by name.
"""

from graphc.nn import init
from graphc.nn.activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from graphc.nn.convolution import conv1d, conv2d
from graphc.nn.dot_product_attention import attention
from graphc.nn.embeddings import embedding, one_hot
from graphc.nn.layers.activations import GELU, ReLU, Sigmoid, Softmax, Tanh
from graphc.nn.layers.attention import MultiHeadAttention
from graphc.nn.layers.containers import Flatten, Sequential
from graphc.nn.layers.convolution import AvgPool2d, Conv1d, Conv2d, MaxPool2d
from graphc.nn.layers.embedding import Dropout, Embedding
from graphc.nn.layers.linear import Linear
from graphc.nn.layers.normalization import BatchNorm1d, BatchNorm2d, LayerNorm
from graphc.nn.layers.recurrent import GRU, LSTM, RNN
from graphc.nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
)
from graphc.nn.module import Module
from graphc.nn.normalization import batch_norm, layer_norm
from graphc.nn.pooling import avg_pool2d, max_pool2d
from graphc.nn.stochastic import dropout

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "attention",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "init",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "mse_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

_ELSEWHERE = {
    "ModuleList": "assign a list of modules",
    "ModuleDict": "assign a dict of modules",
    "Parameter": "assign an array",
    "ParameterList": "assign a list of arrays",
    "MultiheadAttention": "write nn.MultiHeadAttention",
    "functional": "functions are in graphc.nn itself",
    "CrossEntropyLoss": "write nn.cross_entropy",
    "MSELoss": "write nn.mse_loss",
    "L1Loss": "write nn.l1_loss",
    "HuberLoss": "write nn.huber_loss",
    "BCELoss": "write nn.binary_cross_entropy",
    "BCEWithLogitsLoss": "write nn.binary_cross_entropy_with_logits",
    "Identity": "write nn.Sequential()",
}
"""PyTorch's names for what is written otherwise."""


def __getattr__(name: str) -> object:
    hint = f": {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module 'graphc.nn' has no attribute {name!r}{hint}")
