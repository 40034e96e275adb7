#!/usr/bin/env python3
"""Forward KL from hidden states over a vocabulary in plain PyTorch, forward and backward: prints one JSON object.
usage: vocab_loss_peer.py ROWS HIDDEN CLASSES REPEATS THREADS"""
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F


def status(key):
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def main():
    rows, hidden, classes, repeats, threads = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    student_weight = (torch.randn(classes, hidden) * 0.02).requires_grad_()
    teacher_weight = torch.randn(classes, hidden) * 0.02
    student, teacher = torch.randn(rows, hidden).requires_grad_(), torch.randn(rows, hidden)
    student_weight.grad, student.grad = torch.zeros_like(student_weight), torch.zeros_like(student)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    before, seconds = status("VmRSS"), []
    for step in range(repeats + 1):
        begin = time.perf_counter()
        log_q = F.log_softmax(F.linear(student, student_weight) / 2, -1)
        with torch.no_grad():
            log_p = F.log_softmax(F.linear(teacher, teacher_weight) / 2, -1)
        loss = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * 4
        loss.backward()
        if step:
            seconds.append(time.perf_counter() - begin)
    median = statistics.median(seconds)
    print(json.dumps({"tokens_per_second": rows / median, "seconds": median, "extra_mib": status("VmHWM") - before}))


if __name__ == "__main__":
    main()
