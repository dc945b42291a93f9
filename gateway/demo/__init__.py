"""`wayside demo`: everything in one terminal, from real processes talking through a real broker, and nothing left behind."""

from gateway.demo.processes import DemoError
from gateway.demo.show import run_demo

__all__ = ["DemoError", "run_demo"]
