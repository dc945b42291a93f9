"""The room of the decoders, held to its cases, to the conformance suite and to real messages."""
