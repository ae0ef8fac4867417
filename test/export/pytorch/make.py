"""Makes the fixtures of ../pytorch.test.ts with PyTorch (made with 1.13.0a0, as Debian 12 has it): weights, an input and its output, as safetensors.

    python3 test/export/pytorch/make.py
"""
import json
import os
import struct

import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))


def write(name, module, x, y):
    tensors = {**module.state_dict(), "test.input": x, "test.output": y}
    header, data = {}, b""
    for key, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            continue  # num_batches_tracked
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[key] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(FOLDER, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


torch.manual_seed(1)
with torch.no_grad():
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    encoder = torch.nn.TransformerEncoder(layer, 2, norm=torch.nn.LayerNorm(8))
    for parameter in encoder.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(2, 5, 8)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5)
    encoder.train()  # the plain path, not the fused one of prediction; dropout is 0
    write("transformer-encoder", encoder, x, encoder(x, mask))

    lstm = torch.nn.LSTM(3, 5, num_layers=2, batch_first=True)
    x = torch.randn(2, 7, 3)
    write("lstm", lstm, x, lstm(x)[0])

    conv1d = torch.nn.Conv1d(3, 4, 3, dilation=2, stride=2, padding=2)
    x = torch.randn(2, 3, 9)
    write("conv1d", conv1d, x, conv1d(x))

    conv2d = torch.nn.Sequential(torch.nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0)), torch.nn.BatchNorm2d(3))
    for _ in range(3):
        conv2d(torch.randn(4, 2, 6, 5))
    conv2d.eval()
    x = torch.randn(2, 2, 6, 5)
    write("conv2d-batch-norm", conv2d, x, conv2d(x))
