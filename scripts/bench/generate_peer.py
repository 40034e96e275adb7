#!/usr/bin/env python3
"""Prefill and decoding of one prompt with transformers (bf16), or with llama.cpp where llama-cpp-python is installed:
prints one JSON object.
usage: generate_peer.py transformers|llama_cpp MODEL --prompt FILE [--tokens N] [--threads N] [--repeats N]
"""
import argparse
import json
import pathlib
import statistics
import time


def with_transformers(args, text):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16).eval()
    ids = AutoTokenizer.from_pretrained(args.model)(text, return_tensors="pt")["input_ids"][:, :args.length]
    prefill, decoding = [], []
    with torch.no_grad():
        for _ in range(args.repeats + 1):
            begin = time.perf_counter()
            out = model(ids, use_cache=True, logits_to_keep=1)
            middle = time.perf_counter()
            for _ in range(args.tokens):
                next_id = out.logits[:, -1:].argmax(-1)
                out = model(next_id, past_key_values=out.past_key_values, use_cache=True)
            prefill.append(ids.shape[1] / (middle - begin))
            decoding.append(args.tokens / (time.perf_counter() - middle))
    return prefill[1:], decoding[1:]


def with_llama_cpp(args, text):
    from llama_cpp import Llama

    llama = Llama(args.model, n_ctx=args.length + args.tokens + 8, n_threads=args.threads, n_threads_batch=args.threads,
                  n_batch=512, verbose=False)
    ids = llama.tokenize(text.encode())[:args.length]
    prefill, decoding = [], []
    for _ in range(args.repeats + 1):
        llama.reset()
        begin = time.perf_counter()
        llama.eval(ids)
        middle = time.perf_counter()
        for _ in range(args.tokens):
            llama.eval([llama.sample(temp=0.0)])
        prefill.append(len(ids) / (middle - begin))
        decoding.append(args.tokens / (time.perf_counter() - middle))
    return prefill[1:], decoding[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["transformers", "llama_cpp"])
    parser.add_argument("model")
    parser.add_argument("--prompt", type=pathlib.Path, required=True)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    text = args.prompt.read_text(encoding="utf-8")
    prefill, decoding = (with_transformers if args.peer == "transformers" else with_llama_cpp)(args, text)
    print(json.dumps({"prefill": statistics.median(prefill), "decoding": statistics.median(decoding)}))


if __name__ == "__main__":
    main()
