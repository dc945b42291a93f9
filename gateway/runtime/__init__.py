"""The running agent: the writer loop, and the threads, queues and senders around it. Store, bus and cloud are ports here."""
