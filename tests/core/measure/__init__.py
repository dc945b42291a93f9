"""The gateway as an operator meets it: its commands, its config, and the parts that `gateway.build` puts together."""
