-- Values learned from answers, about offers and places; no row is about a person.

-- key: part and name of a value of gateway.core.learning.state.LearnedState, `basis` or `health`; body: MessagePack, compressed by zlib
CREATE TABLE learned (
  key TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
