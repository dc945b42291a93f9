"""People and devices that attack a site, as agents on the event loop of a street.

An agent has what anybody with a phone and a radio has: names of its own on the broker, the advertisements on the air at each scanner,
and, for the replayer, what it overheard of the broker's traffic. It draws from a stream of its own, so it changes no message of the street.

| name | does |
|---|---|
| `claimer` | consents and claims tags that it heard on the air, with guessed codes and keys |
| `replayer` | publishes overheard messages again, byte for byte, minutes to hours later |
| `cloner` | advertises a heard id, ephemeral ones too, next to another scanner |
| `flooder` | advertises hundreds of new addresses, and publishes messages of 60 kB |
| `spoofer` | writes names of others into its own messages, sells as a till, and answers offers of others |
"""
