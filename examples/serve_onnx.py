"""A model trained here is served by ONNX Runtime, which knows nothing of graphc.

A small residual network learns the digits; it is exported with a named batch axis as
``digits.onnx``, and a server of a few lines answers requests (images as JSON, POST /) with a
session of ONNX Runtime. The logits agree with graphc's, and the answers with the labels.

Run it: ``python examples/serve_onnx.py`` (the model goes to ``out/``); ``--serve 8000`` goes on
serving.
"""

import argparse
import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits

import graphc
from graphc import nn


class Block(nn.Module):
    """Two convolutions with batch norm, and the input added."""

    def __init__(self, channels):
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = nn.relu(self.norm1(self.conv1(x)))
        return nn.relu(self.norm2(self.conv2(y)) + x)


class Network(nn.Module):
    """A convolution, a residual block, pooling, and a linear layer."""

    def __init__(self, channels=16):
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.block = Block(channels)
        self.linear = nn.Linear(channels * 16, 10)

    def forward(self, x):
        x = nn.avg_pool2d(self.block(nn.relu(self.stem(x))), 2)
        return self.linear(x.reshape(x.shape[0], -1))


def load():
    """Training and held-out images (n, 1, 8, 8) in [0, 1], with their labels."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    order = np.random.default_rng(0).permutation(len(images))
    held_out, rest = order[:360], order[360:]
    return (images[rest], digits.target[rest]), (images[held_out], digits.target[held_out])


def server(path, port):
    """A server whose answers come from a session of ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            images = np.array(sent, np.float32)
            (logits,) = session.run(None, {"x": images})
            body = json.dumps(logits.argmax(axis=1).tolist()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return session, ThreadingHTTPServer(("127.0.0.1", port), Answers)


def ask(port, images):
    """The server's answers for some images."""
    body = json.dumps(images.tolist()).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", body) as answer:
        return json.loads(answer.read())


def best_time(call, rounds=30):
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def main(out="out", epochs=12, serve=None):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    training, (images, labels) = load()
    graphc.random.seed(0)
    model = Network()
    optimizer = graphc.optim.Adam(model, lr=3e-3)
    graphc.fit(model, nn.cross_entropy, optimizer, training, epochs)
    model.eval()

    path = out / "digits.onnx"
    graphc.export(model, graphc.spec(("batch", 1, 8, 8), np.float32), path=path)
    session, answering = server(path, serve or 0)
    threading.Thread(target=answering.serve_forever, daemon=True).start()
    port = answering.server_address[1]
    answers = ask(port, images[:20])

    compiled = graphc.compile(lambda model, x: model(x))
    ours, (theirs,) = compiled(model, images), session.run(None, {"x": images})
    apart = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    accuracy = float(np.mean(theirs.argmax(axis=1) == labels))
    here = best_time(lambda: compiled(model, images))
    there = best_time(lambda: session.run(None, {"x": images}))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
    print(f"accuracy under ONNX Runtime: {100 * accuracy:.1f} %; logits differ by {apart:.1e}")
    print(f"{len(images)} images: {1e3 * here:.2f} ms in graphc, {1e3 * there:.2f} in ONNX Runtime")
    print(f"http://127.0.0.1:{port}/ answered {answers}; the labels are {labels[:20].tolist()}")
    if serve:
        print("serving; Ctrl-C ends it")
        threading.Event().wait()
    answering.shutdown()
    return {
        "apart": apart,
        "accuracy": accuracy,
        "answers": answers,
        "labels": theirs.argmax(axis=1)[:20].tolist(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the model")
    parser.add_argument("--serve", type=int, metavar="PORT", help="go on serving on this port")
    given = parser.parse_args()
    main(given.out, serve=given.serve)
