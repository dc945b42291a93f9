"""`wayside bench`: how fast the road is on this machine, part by part and whole, with its method and its limits."""

from gateway.bench.report import run_bench

__all__ = ["run_bench"]
