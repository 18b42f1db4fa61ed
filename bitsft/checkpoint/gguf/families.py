"""What llama.cpp computes for each architecture: names of tensors, and what it takes for granted.

Read from llama.cpp's src/models/*.cpp (the version of llama-cpp-python 0.3.36). A graph there is fixed code:
whatever it hard-codes (activation, layer patterns, attention scale, which biases are added) is checked here
against the model's config, and a model that differs is refused. A tensor that a family does not name is refused,
too: llama.cpp would not load a file with one it does not know.

Rotary embeddings: llama.cpp rotates either pairs of neighbours (interleaved) or, as transformers always does,
the two halves of a head. For the first kind the rows of q and k are reordered (architectures.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bitsft.checkpoint.gguf.refusal import Refusal

Details = Callable[[dict[str, Any], Refusal], dict[str, Any]]

ALL_LINEAR_ROPES = frozenset({"default", "linear", "yarn"})
QKV = frozenset({"attn_q", "attn_k", "attn_v"})
MLP = frozenset({"ffn_gate", "ffn_up", "ffn_down"})

PROJECTIONS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
QK_NORMS = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
NORMS_BEFORE = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
NORMS_AFTER = {
    "post_attention_layernorm": "post_attention_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def _nothing(options: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Family:
    """One of llama.cpp's architectures as a reader of models.

    Attributes:
        name: `general.architecture`.
        modules: Module in a block -> its name in the file.
        biases: Names in the file of the modules whose bias is added.
        activations: Values of `activation_option` that mean what is computed.
        activation_option: The option of the config that names the activation.
        remedies: Activation -> the formats that hold it, where not only `format="transformers"` does.
        interleaved_rope: Neighbours are rotated.
        norm_shift: Added to norm weights.
        heads_fill_width: heads · head_dim has to be the hidden size.
        output: The output matrix may be missing where it is tied, or has to be there, or must be tied.
        ropes: The `rope_type`s that are computed.
        partial_rope: A part of each head may be left without rotation.
        own_windows: Sliding windows are computed where `details` gives the key `attention.sliding_window`.
        norm_epsilon: Key of the norms' epsilon.
        details: Further checks, and the keys they lead to.
        reader: Who reads it, for messages.
    """

    name: str
    modules: dict[str, str]
    biases: frozenset[str] = QKV
    activations: tuple[str, ...] = ("silu", "swish")
    activation_option: str = "hidden_act"
    remedies: dict[str, str] = field(default_factory=dict)
    interleaved_rope: bool = False
    norm_shift: float = 0.0
    heads_fill_width: bool = False
    output: Literal["optional", "required", "tied"] = "optional"
    ropes: frozenset[str] = ALL_LINEAR_ROPES
    partial_rope: bool = False
    own_windows: bool = False
    norm_epsilon: str = "attention.layer_norm_rms_epsilon"
    details: Details = _nothing
    reader: str = "llama.cpp"


def _gemma3(options: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    layers = options["num_hidden_layers"]
    scale_of = options["head_dim"]
    if layers == 62:  # llama.cpp takes 62 layers for Gemma 3 27B, the only one with another scale
        scale_of = options["hidden_size"] // options["num_attention_heads"]
    if options["query_pre_attn_scalar"] != scale_of:
        raise refusal.error(
            "query_pre_attn_scalar",
            options["query_pre_attn_scalar"],
            f"it divides attention scores by the square root of {scale_of}",
        )
    if options.get("attn_logit_softcapping"):
        raise refusal.error(
            "attn_logit_softcapping", options["attn_logit_softcapping"], "it caps none"
        )
    if options.get("use_bidirectional_attention"):
        raise refusal.error("use_bidirectional_attention", True, "it attends backwards only")
    keys: dict[str, Any] = {}
    if "sliding_attention" in options["layer_types"]:
        _check_pattern(options, refusal, step=6)
        ropes = options["rope_parameters"]
        local = ropes["sliding_attention"]
        if local.get("rope_type", "default") != "default":
            raise refusal.error(
                "rope_parameters['sliding_attention']", local, "it never scales the windowed layers"
            )
        keys["attention.sliding_window"] = int(options["sliding_window"])
        keys["rope.freq_base_swa"] = float(local["rope_theta"])
    if options.get("final_logit_softcapping"):
        keys["final_logit_softcapping"] = float(options["final_logit_softcapping"])
    return keys


def _exaone4(options: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    """llama.cpp knows the hybrid model by its 64 layers; there, and only there, full layers have no rope."""
    layers, window = options["num_hidden_layers"], options.get("sliding_window")
    if layers == 64:
        if window is None:
            raise refusal.error(
                "sliding_window", None, "it takes 64 layers for the hybrid model, which has one"
            )
        _check_pattern(options, refusal, step=4)
        return {"attention.sliding_window": int(window)}
    if window is not None and "full_attention" in options["layer_types"]:
        raise refusal.error(
            "sliding_window",
            window,
            f"it computes EXAONE 4 with {layers} layers without windows, so that full_attention layers would get "
            "rotary embeddings; only the model of 64 layers is hybrid there",
        )
    return {}


def _smollm3(options: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    rotated = [bool(flag) for flag in options["no_rope_layers"]]
    if rotated != [(layer + 1) % 4 != 0 for layer in range(len(rotated))]:
        raise refusal.error(
            "no_rope_layers",
            options["no_rope_layers"],
            "it leaves rotary embeddings out in every fourth layer",
        )
    return {}


def _olmo(options: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    # transformers' OlmoLayerNorm has this epsilon in its code
    keys: dict[str, Any] = {"attention.layer_norm_epsilon": 1e-5}
    if options.get("clip_qkv") is not None:
        keys["attention.clamp_kqv"] = float(options["clip_qkv"])
    return keys


def _phi3(options: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    # Not used for anything but telling Phi-3 from Phi-4, which has none, in versions of before May 2025.
    return {"attention.sliding_window": int(options.get("sliding_window") or 0)}


def _check_pattern(options: dict[str, Any], refusal: Refusal, step: int) -> None:
    wanted = [
        "full_attention" if (layer + 1) % step == 0 else "sliding_attention"
        for layer in range(options["num_hidden_layers"])
    ]
    if options["layer_types"] != wanted:
        raise refusal.error(
            "layer_types",
            options["layer_types"],
            f"it gives every layer a window but each {step}th, which sees everything",
        )


LLAMA = Family(
    "llama",
    {**NORMS_BEFORE, **PROJECTIONS},
    biases=QKV | MLP | {"attn_output"},
    interleaved_rope=True,
    ropes=ALL_LINEAR_ROPES | {"llama3", "longrope"},
)
BITNET = Family(
    "bitnet",
    {
        **NORMS_BEFORE,
        **PROJECTIONS,
        "self_attn.attn_sub_norm": "attn_sub_norm",
        "mlp.ffn_sub_norm": "ffn_sub_norm",
    },
    biases=frozenset(),
    remedies={"relu2": 'format="transformers", or format="i2_s" for bitnet.cpp'},
    heads_fill_width=True,
    output="tied",
)
"""Sub-norms with SiLU; llama.cpp has no squared ReLU (i2_s.py has a reader that does)."""

FAMILIES: dict[str, Family] = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": Family("qwen2", {**NORMS_BEFORE, **PROJECTIONS}, heads_fill_width=True),
    "qwen3": Family("qwen3", {**NORMS_BEFORE, **PROJECTIONS, **QK_NORMS}),
    "gemma3_text": Family(
        "gemma3",
        {
            **PROJECTIONS,
            **QK_NORMS,
            **NORMS_AFTER,
            "input_layernorm": "attn_norm",
            "pre_feedforward_layernorm": "ffn_norm",
        },
        activations=("gelu_pytorch_tanh", "gelu_new"),
        activation_option="hidden_activation",
        norm_shift=1.0,
        ropes=frozenset({"default", "linear"}),
        own_windows=True,
        details=_gemma3,
    ),
    "phi3": Family(
        "phi3",
        {
            **NORMS_BEFORE,
            "self_attn.qkv_proj": "attn_qkv",
            "self_attn.o_proj": "attn_output",
            "mlp.gate_up_proj": "ffn_up",
            "mlp.down_proj": "ffn_down",
        },
        biases=frozenset({"attn_qkv"}),
        heads_fill_width=True,
        ropes=frozenset({"default", "longrope"}),
        partial_rope=True,
        details=_phi3,
    ),
    "olmo": Family(
        "olmo",
        PROJECTIONS,
        interleaved_rope=True,
        heads_fill_width=True,
        norm_epsilon="",
        details=_olmo,
    ),
    "olmo2": Family(
        "olmo2",
        {**PROJECTIONS, **QK_NORMS, **NORMS_AFTER},
        heads_fill_width=True,
        output="required",
    ),
    "smollm3": Family(
        "smollm3", {**NORMS_BEFORE, **PROJECTIONS}, interleaved_rope=True, details=_smollm3
    ),
    "exaone4": Family(
        "exaone4",
        {**PROJECTIONS, **QK_NORMS, **NORMS_AFTER},
        heads_fill_width=True,
        ropes=ALL_LINEAR_ROPES | {"llama3"},
        own_windows=True,
        details=_exaone4,
    ),
    "bitnet": BITNET,
}
"""By `model_type`."""
