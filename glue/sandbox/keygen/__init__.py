"""The Keygen sandbox: what a Keygen 1.5.1 CE with one account was seen to answer, on the virtual clock.

``account`` holds the state, ``application`` the HTTP side, ``schedule`` what time brings, ``delivery`` the webhooks;
the other modules are one subject of the API each and register their routes when imported.
"""
