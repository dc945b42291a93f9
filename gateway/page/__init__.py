"""The person's page: consent, wishes, offers and everything that is kept, served by the gateway itself on the local network.

Each request is one or more observations for the engine, like a message by MQTT: the page stores nothing of its own. It works without
JavaScript; a script only adds offers as they come.
"""
