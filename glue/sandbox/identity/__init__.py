"""The identity sandbox: an OpenID provider with hosted pages, and the part of Keycloak 26.7.3's admin API that is called here.

One realm with Organizations, on a clock that can be moved. It answers as a real 26.7.3 was seen to answer, quirks included;
an admin call that it does not imitate answers 501 and is told on stderr.
"""
