from glue.sandbox.identity.state import Realm
from starlette.routing import Route
def browser_routes(realm: Realm) -> list[Route]:
    return []
