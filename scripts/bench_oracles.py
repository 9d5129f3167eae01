"""One measurement of PyTorch or ONNX Runtime, for scripts/bench: prints {"images_per_second": x, "memory": bytes} for one network,
PyTorch's with the form that was fastest and the rates of all.

    bench_oracles.py torch|onnx NETWORK train|infer BATCH THREADS fp32|bf16 [STEPS] [compile]
"""
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def conv(i, o, size, stride=1, pad=0, norm=False, groups=1):
    layers = [nn.Conv2d(i, o, size, stride, pad, groups=groups, bias=not norm)]
    return layers + ([nn.BatchNorm2d(o)] if norm else []) + [nn.ReLU(inplace=True)]


def lenet(channels=3, pad=0, side=5):
    return nn.Sequential(nn.Conv2d(channels, 6, 5, padding=pad), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(True), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(16 * side * side, 120), nn.ReLU(True), nn.Linear(120, 84), nn.ReLU(True), nn.Linear(84, 10))


def vgg_features(norm):
    layers, channels = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += conv(channels, width, 3, 1, 1, norm)
            channels = width
        layers.append(nn.MaxPool2d(2))
    return layers


def vgg16bn():
    return nn.Sequential(*vgg_features(True), nn.Flatten(), nn.Linear(512, 10))


def vgg16():
    return nn.Sequential(*vgg_features(False), nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(True),
                         nn.Dropout(), nn.Linear(4096, 1000))


def alexnet():
    return nn.Sequential(*conv(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), *conv(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2), *conv(192, 384, 3, 1, 1),
                         *conv(384, 256, 3, 1, 1), *conv(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Dropout(), nn.Linear(9216, 4096),
                         nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, 1000))


def projection(i, o, stride):
    return nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))


class Padding(nn.Module):
    """A shortcut without parameters: every second pixel, channels filled up with zeros."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.more, self.stride = o - i, stride

    def forward(self, x):
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.more))


class Block(nn.Module):
    def __init__(self, i, o, stride, shortcut=projection):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True), nn.Conv2d(o, o, 3, 1, 1, bias=False),
                                  nn.BatchNorm2d(o))
        self.skip = shortcut(i, o, stride) if stride > 1 or i != o else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.skip(x))


def resnet18():
    layers, i = conv(3, 64, 7, 2, 3, True) + [nn.MaxPool2d(3, 2, 1)], 64
    for o in (64, 128, 256, 512):
        layers += [Block(i, o, 1 if o == 64 else 2), Block(o, o, 1)]
        i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def resnet20():
    layers, i = conv(3, 16, 3, 1, 1, True), 16
    for o in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(i, o, 1 if o == i else 2, Padding))
            i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class CharLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(65, 256, 2)
        self.out = nn.Linear(256, 65)

    def forward(self, x):
        return self.out(self.lstm(x)[0]).flatten(0, 1)


def airbench():
    def group(i, o):
        out = [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(o), nn.GELU()]
        return out + [nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.GELU()]
    whiten = nn.Conv2d(3, 24, 2)
    whiten.weight.requires_grad_(False)     # as the config's freeze_weights=1; its biases are trained
    return nn.Sequential(whiten, nn.GELU(), *group(24, 64), *group(64, 256), *group(256, 256), nn.MaxPool2d(3), nn.Flatten(),
                         nn.Linear(256, 10, bias=False))


# name: network, input of one sample (or None: the LSTM's steps x symbols), classes
NETWORKS = {"lenet": (lenet, (3, 32, 32), 10), "mnist": (lambda: lenet(1, 2), (1, 28, 28), 10), "vgg16bn": (vgg16bn, (3, 32, 32), 10),
            "alexnet": (alexnet, (3, 224, 224), 1000), "vgg16": (vgg16, (3, 224, 224), 1000), "resnet18": (resnet18, (3, 224, 224), 1000),
            "resnet20": (resnet20, (3, 32, 32), 10),
            "charlstm": (CharLSTM, None, 65), "airbench94": (airbench, (3, 32, 32), 10)}


def sample(shape, batch, classes):
    if shape is None:
        x = F.one_hot(torch.randint(0, classes, (64, batch)), classes).float()
        return x, torch.randint(0, classes, (64 * batch,))
    return torch.randn(batch, *shape), torch.randint(0, classes, (batch,))


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def rate(step, batch, steps):
    for _ in range(3):
        step()
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return batch / sorted(times)[len(times) // 2]


def sgd(net):
    learning = [p for p in net.parameters() if p.requires_grad]
    try:
        return torch.optim.SGD(learning, 1e-6, momentum=0.9, fused=True)
    except (TypeError, RuntimeError):   # older versions have none for the CPU
        return torch.optim.SGD(learning, 1e-6, momentum=0.9)


def run_torch(name, mode, batch, precision, steps, may_compile):
    """The fastest of its forms: contiguous or channels_last, and where may_compile both again through torch.compile. Memory is that of the former."""
    make, shape, classes = NETWORKS[name]
    x, y = sample(shape, batch, classes)
    formats = [torch.contiguous_format] + ([torch.channels_last] if shape else [])
    found = {}

    def measure(form, compiled):
        net = make().to(memory_format=form).train(mode == "train")
        data = x.to(memory_format=form) if shape else x
        optimizer = sgd(net)
        if compiled:
            net.compile()

        def train():
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = F.cross_entropy(net(data), y)
            loss.backward()
            optimizer.step()

        def infer():
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                net(data)

        found[("compiled, " if compiled else "") + str(form).split(".")[-1]] = rate(train if mode == "train" else infer, batch, steps)

    for form in formats:
        measure(form, False)
    memory = peak_memory()
    for form in formats if may_compile else []:
        measure(form, True)
    form = max(found, key=found.get)
    return {"images_per_second": found[form], "form": form, "forms": found, "memory": memory}


def run_onnx(name, batch, threads, steps):
    import io
    import onnxruntime
    make, shape, classes = NETWORKS[name]
    net, (x, _) = make().eval(), sample(shape, batch, classes)
    file = io.BytesIO()
    torch.onnx.export(net, (x,), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    data = {"x": x.numpy()}
    return {"images_per_second": rate(lambda: session.run(None, data), batch, steps), "memory": peak_memory()}


def main():
    which, name, mode, batch, threads, precision = sys.argv[1:7]
    steps = int(sys.argv[7]) if len(sys.argv) > 7 else 15
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    if which == "torch":
        found = run_torch(name, mode, int(batch), precision, steps, "compile" in sys.argv[8:])
    else:
        found = run_onnx(name, int(batch), int(threads), steps)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
