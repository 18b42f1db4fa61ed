"""FSDP2: sharded ternary layers compute, learn and hold their codes as plain ones do (one process, gloo)."""

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.ternary import hold_codes, replace_linear_with_bitlinear, ternary_layers


@pytest.fixture
def one_process() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_sharded_layers_learn_as_plain_ones() -> None:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    plain = replace_linear_with_bitlinear(LlamaForCausalLM(config))
    sharded = copy.deepcopy(plain)
    mesh = init_device_mesh("cpu", (1,))
    for block in sharded.model.layers:
        fully_shard(block, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    ids = torch.randint(1, 64, (2, 16))
    losses = []
    for model in (plain, sharded):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        with hold_codes(model):
            for _ in range(4):
                loss = model(input_ids=ids, labels=ids).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                for layer in ternary_layers(model).values():
                    layer.drop_codes()  # FSDP2 restores the version counters of gathered weights
                losses.append(loss.item())
    assert losses[4:] == losses[:4] and losses[3] < losses[0]
