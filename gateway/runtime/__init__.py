"""The running agent: the writer loop and the threads, queues and senders around it. The store, the bus and the cloud are ports here."""
