"""Every path of the writer. Scopes stand in `shared/operations.py`; a test compares the two."""

from aiohttp import web

from services.writer import documentation, handlers

ROUTES = [
    web.post("/links", handlers.create_link, name="create_link"),
    web.post("/links/batch", handlers.create_links, name="create_links"),
    web.get("/links", handlers.list_links, name="list_links"),
    web.get("/links/{code}", handlers.get_link, name="get_link"),
    web.patch("/links/{code}", handlers.change_link, name="change_link"),
    web.delete("/links/{code}", handlers.delete_link, name="delete_link"),
    web.post("/links/{code}/restore", handlers.restore_link, name="restore_link"),
    web.get("/keys", handlers.list_keys, name="list_keys"),
    web.post("/keys", handlers.create_key, name="create_key"),
    web.delete("/keys/{id}", handlers.revoke_key, name="revoke_key"),
    web.get("/openapi.json", documentation.get_openapi, name="openapi"),
    web.get("/docs", documentation.docs, name="docs"),
    web.get("/docs/{name}", documentation.docs_asset, name="docs_asset"),
]
