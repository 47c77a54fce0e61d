"""The programs that the documentation shows print the same losses on two devices as on one."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import keras
import pytest

from processes import together

pytestmark = pytest.mark.backend

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BACKEND = keras.backend.backend()


def free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def tensorflow(devices):
    return [{}]


def workers(devices):
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(devices)]}
    return [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
        for index in range(devices)
    ]


def jax(devices):
    return [{"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}]


def torch(devices):
    """What torchrun sets."""
    (port,) = free_ports(1)
    common = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(devices)}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(devices)]


PROGRAMS = {
    "devices_tensorflow.py": tensorflow,
    "workers_tensorflow.py": workers,
    "devices_jax.py": jax,
    "devices_torch.py": torch,
}


def printed(program, devices):
    """What the first process of a program prints."""
    environments = PROGRAMS[program](devices)
    first = together([[EXAMPLES / program, str(devices)]] * len(environments), environments)[0]
    return "".join(line for line in first.splitlines(True) if " devices: " in line)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_prints_the_same_on_two_devices(program) -> None:
    if BACKEND not in program:
        pytest.skip(f"a program for another backend than {BACKEND}")
    one, two = printed(program, 1), printed(program, 2)
    assert one.startswith("1 devices: ")
    assert two == one.replace("1 devices", "2 devices")
