"""Comparison of policies: the gateway's own decision core on simulated visits, against a known truth.

This is the one room of the simulator that imports the gateway. The rest shares no code with it, because a wrong wire format that both
sides use would agree with itself; a decision has no wire format, and a copy of the decision core would be a second product to judge.

Put aside: seeds 0 to 19 are for reports only. Every choice of a constant was made on seeds 1000 to 1019.
"""
