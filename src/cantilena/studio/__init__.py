"""The studio: a page in the browser, and the server behind it. A request comes in as JSON and is performed.

`app.make_app` is the ASGI application, `serve.serve` runs it. The server knows nothing of music but what `Composer` and
the readers say: the page keeps the songs, and a file here is bytes that are forgotten after a while.
"""
