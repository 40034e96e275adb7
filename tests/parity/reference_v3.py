"""The article's decoder V3 in plain PyTorch, written from its description: stages that apply one set of parameters many
times, experts in each layer, a bias by relative distance beside rotary positions.
It is what tests compare with, and it travels beside a saved model, so that
AutoModelForCausalLM.from_pretrained(DIR, trust_remote_code=True) works. There is no cache: generate(use_cache=False).
"""
import functools
import math
import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast, SequenceClassifierOutput

linear = functools.partial(nn.Linear, bias=False)
DEFAULTS = dict(
    vocab_size=32000, hidden_size=512, stages=4, layers_per_stage=2, share="all", distance_buckets=32, distance_max=128,
    num_attention_heads=8, num_key_value_heads=8, head_dim=64, intermediate_size=1024, num_experts=8,
    num_experts_per_tok=2, router_aux_loss_coef=0.01, max_position_embeddings=4096, rms_norm_eps=1e-6,
    rope_theta=10000.0, initializer_range=0.02, tie_word_embeddings=False, use_cache=False)

class V3Config(PretrainedConfig):
    model_type = "v3"
    def __init__(self, **kwargs):
        own = {name: kwargs.pop(name, default) for name, default in DEFAULTS.items()}
        kwargs["num_hidden_layers"] = own["stages"] * own["layers_per_stage"]
        super().__init__(**kwargs)
        vars(self).update(own)

def turned(x, theta):
    """Rotary positions 0, 1 ... of x [B, heads, T, D]; pairs stand half a head apart. Angles in float64."""
    half = x.shape[-1] // 2
    place, pair = (torch.arange(n, dtype=torch.float64, device=x.device) for n in (x.shape[2], half))
    angle = torch.outer(place, theta ** (-pair / half))
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    low, high = x[..., :half], x[..., half:]
    return torch.cat([low * cosine - high * sine, high * cosine + low * sine], -1)

def bucket(distance, buckets, most):
    """Of a distance back: half of the buckets hold one distance each, the others grow as logarithms up to `most`."""
    exact = buckets // 2
    if distance < exact or most <= buckets:
        return min(distance, buckets - 1)
    return min(buckets - 1, exact + int(math.log(distance / exact) / math.log(most / exact) * (buckets - exact)))

class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, width, key_width = c, c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
        self.q_proj, self.k_proj = linear(c.hidden_size, width), linear(c.hidden_size, key_width)
        self.v_proj, self.o_proj = linear(c.hidden_size, key_width), linear(width, c.hidden_size)
        self.distance_bias = nn.Parameter(torch.zeros(c.num_attention_heads, c.distance_buckets))

    def forward(self, x, visible):
        c, (batch, count, _) = self.c, x.shape
        projections = self.q_proj, self.k_proj, self.v_proj
        q, k, v = (project(x).view(batch, count, -1, c.head_dim).transpose(1, 2) for project in projections)
        k, v = (t.repeat_interleave(c.num_attention_heads // c.num_key_value_heads, 1) for t in (k, v))
        scores = turned(q, c.rope_theta) @ turned(k, c.rope_theta).transpose(2, 3) / math.sqrt(c.head_dim)
        key = torch.arange(count, device=x.device)
        buckets = [bucket(d, c.distance_buckets, c.distance_max) for d in range(c.distance_max + 1)]
        back = torch.tensor(buckets, device=x.device)[(key[:, None] - key).clamp(0, c.distance_max)]
        scores = scores + self.distance_bias[:, back]
        mask = (key <= key[:, None]) & visible[:, None, None, :]
        blind = ~mask.any(-1, keepdim=True)  # sees nothing: probability 0 everywhere
        p = scores.masked_fill(~mask, -torch.inf).masked_fill(blind, 0).softmax(-1).masked_fill(blind, 0)
        return self.o_proj((p @ v).transpose(1, 2).reshape(batch, count, -1))

class Expert(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj, self.up_proj = (linear(c.hidden_size, c.intermediate_size) for _ in range(2))
        self.down_proj = linear(c.intermediate_size, c.hidden_size)
    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))

def mixed(x, router, experts, chosen_count):
    """Each row through its best experts, weighted by probabilities renormalised over them; and the router's logits."""
    rows = x.reshape(-1, x.shape[-1])
    logits, out = router(rows), torch.zeros_like(rows)
    weight, chosen = logits.softmax(-1).topk(chosen_count)
    if chosen_count > 1:  # a single one keeps its probability, or the router would have no gradient
        weight = weight / weight.sum(-1, keepdim=True)
    for index, expert in enumerate(experts):
        row, rank = (chosen == index).nonzero(as_tuple=True)
        out = out.index_add(0, row, expert(rows[row]) * weight[row, rank, None])
    return out.view_as(x), logits.view(*x.shape[:2], -1)

def balance(router_logits, chosen_count):
    """Experts x sum over them of (share of choices x mean probability) of a sequence, 1 when even; mean over all."""
    p = torch.stack([logits.softmax(-1) for logits in router_logits])  # [layers, B, T, experts]
    share = nn.functional.one_hot(p.topk(chosen_count).indices, p.shape[-1]).to(p.dtype).mean((2, 3))
    return p.shape[-1] * (share * p.mean(2)).sum(-1).mean()

class Own(nn.Module):  # what a layer may have for itself
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.router = linear(c.hidden_size, c.num_experts)

class V3PreTrainedModel(PreTrainedModel):
    config_class, base_model_prefix = V3Config, "model"

class V3Model(V3PreTrainedModel):
    def __init__(self, c):
        super().__init__(c)
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.stages = nn.ModuleList(nn.ModuleDict({
            "self_attn": Attention(c), "experts": nn.ModuleList(Expert(c) for _ in range(c.num_experts))
        }) for _ in range(c.stages))
        self.layers = nn.ModuleList(Own(c) for _ in range(c.stages if c.share == "all" else c.num_hidden_layers))
        self.norm = nn.RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, **kwargs):  # tokens whose mask is 0 are attended to by none
        c, x = self.config, self.embed_tokens(input_ids)
        visible = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        states, routing = [x], []
        for index in range(c.num_hidden_layers):
            stage = self.stages[index // c.layers_per_stage]
            own = self.layers[index // c.layers_per_stage if c.share == "all" else index]
            x = x + stage["self_attn"](own.input_layernorm(x), visible.bool())
            out, logits = mixed(own.post_attention_layernorm(x), own.router, stage["experts"], c.num_experts_per_tok)
            states, routing, x = states + [x + out], routing + [logits], x + out
        last = self.norm(x)
        return MoeModelOutputWithPast(last, hidden_states=(*states[:-1], last), router_logits=tuple(routing))

class V3ForCausalLM(V3PreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    def __init__(self, c):
        super().__init__(c)
        self.model, self.lm_head = V3Model(c), linear(c.hidden_size, c.vocab_size)
        self.post_init()
    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs):
        out = self.model(input_ids, attention_mask)
        logits, even = self.lm_head(out.last_hidden_state), balance(out.router_logits, self.config.num_experts_per_tok)
        loss = None if labels is None else nn.functional.cross_entropy(logits[:, :-1].mT, labels[:, 1:])
        return MoeCausalLMOutputWithPast(
            loss if labels is None else loss + self.config.router_aux_loss_coef * even, even, logits,
            hidden_states=out.hidden_states, router_logits=out.router_logits)

class V3ForSequenceClassification(V3PreTrainedModel):
    def __init__(self, c):
        super().__init__(c)
        self.model, self.score = V3Model(c), linear(c.hidden_size, c.num_labels)
        self.post_init()
    def forward(self, input_ids, attention_mask=None, **kwargs):
        out, mask = self.model(input_ids, attention_mask), attention_mask
        seen = (torch.ones_like(input_ids) if mask is None else mask).cumsum(1)  # padding stands on the right
        logits = self.score(out.last_hidden_state[range(len(seen)), seen.argmax(1)])
        return SequenceClassifierOutput(logits=logits, hidden_states=out.hidden_states)
