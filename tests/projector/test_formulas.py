"""What each connector computes, written down a second time from its paper.

Fp32 on the CPU; the two ways sum in another order, so they agree to a few units in the sixth digit.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm, silu

from vlm.projector.adaptive_pool import AdaptivePoolProjector
from vlm.projector.base import Projector
from vlm.projector.c_abstractor import CAbstractor
from vlm.projector.identity import IdentityProjector
from vlm.projector.ldp import LDPv2Projector
from vlm.projector.pixel_shuffle import PixelShuffleProjector
from vlm.projector.qformer import QFormer
from vlm.projector.resampler import PerceiverResampler
from vlm.projector.token_merge import TokenMergeProjector, merge_tokens

Weights = dict[str, Tensor]


def built(projector: Projector) -> tuple[Projector, Weights]:
    """Every weight random, norms and biases too, so that none can be forgotten."""
    projector.configure_model()
    for weight in projector.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return projector, {name: weight.detach() for name, weight in projector.named_parameters()}


def linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    bias = weights.get(f"{name}.bias")
    return x @ weights[f"{name}.weight"].T + (0 if bias is None else bias)


def norm(x: Tensor, weights: Weights, name: str, epsilon: float = 1e-5) -> Tensor:
    return layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)


def attend(query: Tensor, key: Tensor, value: Tensor, num_heads: int) -> Tensor:
    """One picture, one head after the other."""
    parts = zip(*(tensor.chunk(num_heads, dim=-1) for tensor in (query, key, value)), strict=True)
    return torch.cat([(q @ k.T / math.sqrt(q.shape[-1])).softmax(-1) @ v for q, k, v in parts], dim=-1)


def test_identity_is_the_features() -> None:
    features = torch.randn(1, 6, 4)
    assert IdentityProjector(4, 4, (2, 3))(features) is features


def test_pixel_shuffle_reads_blocks_row_by_row_and_pads_with_zeros() -> None:
    projector, weights = built(PixelShuffleProjector(3, 5, (3, 4), factor=2))
    features = torch.randn(1, 12, 3)
    row = lambda number: [features[0, 4 * number + column] for column in range(4)]  # noqa: E731
    zero = [torch.zeros(3)] * 4
    rows = [row(0), row(1), row(2), zero]
    blocks = [
        torch.cat([rows[y][x], rows[y][x + 1], rows[y + 1][x], rows[y + 1][x + 1]])
        for y in (0, 2) for x in (0, 2)
    ]  # fmt: skip
    hidden = gelu(linear(norm(torch.stack(blocks), weights, "layers.0"), weights, "layers.1"))
    assert torch.allclose(projector(features)[0], linear(hidden, weights, "layers.3"), atol=1e-5)


def test_adaptive_pool_averages_windows_that_overlap_where_they_must() -> None:
    projector, weights = built(AdaptivePoolProjector(2, 4, (2, 3), factor=2))
    a, b, c, d, e, f = torch.randn(6, 2)
    pooled = torch.stack([(a + b + d + e) / 4, (b + c + e + f) / 4])
    expected = linear(gelu(linear(pooled, weights, "layers.0")), weights, "layers.2")
    assert torch.allclose(projector(torch.stack([a, b, c, d, e, f])[None])[0], expected, atol=1e-5)


def test_ldp_projects_pools_and_adds_a_depthwise_convolution() -> None:
    projector, weights = built(LDPv2Projector(3, 4, (4, 4), factor=2))
    features = torch.randn(1, 16, 3)
    tokens = linear(gelu(linear(features[0], weights, "layers.0")), weights, "layers.2")
    grid = tokens.reshape(2, 2, 2, 2, 4).mean(dim=(1, 3))  # rows, y, columns, x
    added = torch.zeros(2, 2, 4)
    for row in range(2):
        for column in range(2):
            for y in range(2):
                for x in range(2):
                    added[row, column] += (
                        weights["position.weight"][:, 0, y - row + 1, x - column + 1] * grid[y, x]
                    )
    expected = grid + added + weights["position.bias"]
    assert torch.allclose(projector(features)[0], expected.reshape(4, 4), atol=1e-5)


def channel_norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    return norm(x.movedim(1, -1), weights, name).movedim(-1, 1)


def bottleneck(x: Tensor, weights: Weights, name: str) -> Tensor:
    """1x1, depth-wise 3x3, squeeze and excite, 1x1, with a projected shortcut where the width changes."""
    inside = {key.removeprefix(f"{name}."): weight for key, weight in weights.items()}
    hidden = silu(channel_norm(conv2d(x, inside["conv1.conv.weight"]), inside, "conv1.bn"))
    width = hidden.shape[1]
    hidden = conv2d(hidden, inside["conv2.conv.weight"], padding=1, groups=width)
    hidden = silu(channel_norm(hidden, inside, "conv2.bn"))
    squeezed = hidden.mean(dim=(2, 3), keepdim=True)
    excited = silu(conv2d(squeezed, inside["se.fc1.weight"], inside["se.fc1.bias"]))
    hidden = hidden * conv2d(excited, inside["se.fc2.weight"], inside["se.fc2.bias"]).sigmoid()
    hidden = channel_norm(conv2d(hidden, inside["conv3.conv.weight"]), inside, "conv3.bn")
    if "downsample.conv.weight" in inside:
        x = channel_norm(conv2d(x, inside["downsample.conv.weight"]), inside, "downsample.bn")
    return silu(hidden + x)


def test_c_abstractor_is_bottlenecks_around_a_pooling() -> None:
    projector, weights = built(CAbstractor(6, 5, (4, 4), factor=2, hidden_size=8, depth=2))
    features = torch.randn(1, 16, 6)
    x = features.mT.reshape(1, 6, 4, 4)
    for block in ("b1", "b2"):
        x = bottleneck(x, weights, f"blocks.0.{block}")
    x = x.reshape(1, 8, 2, 2, 2, 2).mean(dim=(3, 5))
    for block in ("b1", "b2"):
        x = bottleneck(x, weights, f"blocks.2.{block}")
    tokens = x.reshape(8, 4).T
    expected = linear(silu(linear(tokens, weights, "readout.0")), weights, "readout.2")
    assert torch.allclose(projector(features)[0], expected, rtol=1e-4, atol=1e-4)


def test_resampler_lets_latents_read_patches_and_themselves() -> None:
    projector, weights = built(
        PerceiverResampler(6, 5, (2, 3), num_latents=4, depth=2, num_heads=2, head_dim=3)
    )
    features = torch.randn(1, 6, 6)
    latents = weights["latents"]
    for number in range(2):
        layer = f"layers.{number}"
        own = norm(latents, weights, f"{layer}.norm_latents")
        seen = torch.cat([norm(features[0], weights, f"{layer}.norm_features"), own])
        query, key, value = (
            linear(x, weights, f"{layer}.{name}")
            for x, name in ((own, "query"), (seen, "key"), (seen, "value"))
        )
        latents = latents + linear(attend(query, key, value, 2), weights, f"{layer}.out")
        hidden = norm(latents, weights, f"{layer}.feed_forward.0")
        hidden = gelu(linear(hidden, weights, f"{layer}.feed_forward.1"))
        latents = latents + linear(hidden, weights, f"{layer}.feed_forward.3")
    expected = linear(norm(latents, weights, "norm"), weights, "output")
    assert torch.allclose(projector(features)[0], expected, rtol=1e-4, atol=1e-4)


def test_qformer_is_a_bert_whose_even_layers_read_the_patches() -> None:
    projector, weights = built(QFormer(6, 5, (2, 3), num_queries=4, depth=3, hidden_size=8, num_heads=2))
    features = torch.randn(1, 6, 6)
    patches = norm(features[0], weights, "norm")
    x = norm(weights["queries"], weights, "layers.layernorm", 1e-12)

    def read(x: Tensor, memory: Tensor, name: str) -> Tensor:
        query, key, value = (
            linear(source, weights, f"{name}.attention.{role}")
            for source, role in ((x, "query"), (memory, "key"), (memory, "value"))
        )
        out = linear(attend(query, key, value, 2), weights, f"{name}.output.dense")
        return norm(out + x, weights, f"{name}.output.LayerNorm", 1e-12)

    for number in range(3):
        layer = f"layers.encoder.layer.{number}"
        x = read(x, x, f"{layer}.attention")
        if number % 2 == 0:
            x = read(x, patches, f"{layer}.crossattention")
        hidden = gelu(linear(x, weights, f"{layer}.intermediate_query.dense"))
        out = linear(hidden, weights, f"{layer}.output_query.dense")
        x = norm(out + x, weights, f"{layer}.output_query.LayerNorm", 1e-12)
    assert torch.allclose(projector(features)[0], linear(x, weights, "output"), rtol=1e-4, atol=1e-4)


def merge_by_hand(tokens: list[Tensor], num_tokens: int) -> list[Tensor]:
    """One picture; (place, weight, feature) of each token."""
    state = [(place, 1, token) for place, token in enumerate(tokens)]
    while len(state) > num_tokens:
        even, odd = state[::2], state[1::2]
        cosine = lambda a, b: torch.cosine_similarity(a[2], b[2], dim=0).item()  # noqa: E731
        best = [max(range(len(odd)), key=lambda j, token=token: cosine(token, odd[j])) for token in even]
        order = sorted(range(len(even)), key=lambda i: -cosine(even[i], odd[best[i]]))
        surplus = min(len(state) - num_tokens, len(state) // 2)
        groups = {number: [token] for number, token in enumerate(odd)}
        for i in order[:surplus]:
            groups[best[i]].append(even[i])
        merged = []
        for number, group in groups.items():
            weight = sum(token[1] for token in group)
            feature = sum(token[1] * token[2] for token in group) / weight
            merged.append((odd[number][0], weight, feature))
        state = sorted([*merged, *(even[i] for i in order[surplus:])], key=lambda token: token[0])
    return [token[2] for token in state]


@pytest.mark.parametrize(("present", "left"), [(8, 7), (8, 4), (9, 3), (16, 4), (7, 1)])
def test_token_merge_averages_the_pairs_that_are_most_alike(present: int, left: int) -> None:
    features = torch.randn(2, present, 5)
    merged = merge_tokens(features, left)
    for picture in range(2):
        expected = torch.stack(merge_by_hand(list(features[picture]), left))
        assert torch.allclose(merged[picture], expected, atol=1e-5)


def test_token_merge_loses_no_weight() -> None:
    """With one feature for all, every average is that feature; with all kept, nothing changes."""
    features = torch.randn(1, 1, 5).expand(1, 12, 5)
    assert torch.allclose(merge_tokens(features, 3), features[:, :3], atol=1e-6)
    features = torch.randn(1, 12, 5)
    assert torch.equal(merge_tokens(features, 12), features)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: IdentityProjector(3, 4, (2, 2)), "projector=identity .* 3 for 4"),
        (lambda: PixelShuffleProjector(3, 4, (2, 2), 0), "projector.factor .* got 0"),
        (lambda: CAbstractor(3, 4, (2, 2), 2, 8, 0), "projector.depth .* got 0"),
        (lambda: PerceiverResampler(3, 4, (2, 2), 0, 1, 1, 1), "projector.num_latents .* got 0"),
        (lambda: QFormer(3, 4, (2, 2), 0, 1, 8, 2), "projector.num_queries .* got 0"),
        (lambda: QFormer(3, 4, (2, 2), 1, 1, 8, 3), "hidden_size=8 must be .*num_heads=3"),
        (lambda: TokenMergeProjector(3, 4, (2, 2), 0.0), "projector.keep .* got 0"),
    ],
)
def test_mistakes_name_the_key(make: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("projector", "tokens"),
    [
        (AdaptivePoolProjector(1, 1, (24, 24), 2), 144),
        (LDPv2Projector(1, 1, (24, 24), 2), 144),
        (PixelShuffleProjector(1, 1, (27, 27), 2), 196),
        (TokenMergeProjector(1, 1, (24, 24), 0.25), 144),
        (PerceiverResampler(1, 1, (27, 27), 64, 1, 1, 1), 64),
    ],
)
def test_tokens_of_a_picture_are_the_papers(projector: Projector, tokens: int) -> None:
    assert projector.num_tokens == tokens
