"""Images by study and row, served beside the pages.

    /image/<study>/thumb/<row>?v=<digest>
    /image/<study>/full/<row>?v=<digest>&<how to draw it>
    /image/<study>/full?id=<image id>

Only thumbnails and newly drawn pictures of listed studies can be read. Browsers may cache an address
with the current digest without limit, any other address only after a check. The functions are not
async, so the server runs them in threads outside its event loop.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bnn_core.base.errors import InputError
from pages.shared import login, pictures, studies

FOR_EVER = "private, max-age=31536000, immutable"


def image(request: Request) -> Response:
    """One picture, or 404 with the reason in one line; 401 for a visitor who must log in."""
    if not login.allowed(request):
        return PlainTextResponse("log in first\n", 401, headers={"Cache-Control": "no-store"})
    try:
        study = studies.opened(request.path_params["study"])
    except InputError:
        return _nothing("no such study")
    try:
        if "row" in request.path_params:
            row = request.path_params["row"]
            if row >= len(study.images):
                raise InputError(f"study {study.name} has no row {row}")
        else:
            row = study.row_of(request.query_params.get("id", ""))
        options = {k: v for k, v in request.query_params.items() if k not in ("v", "id")}
        if request.path_params["size"] == "thumb":
            picture = pictures.thumbnail_file(study, row)
        elif request.path_params["size"] == "full":
            picture = pictures.full(study, row, options)
        else:
            raise InputError("size is thumb or full")
    except InputError as error:
        return _nothing(str(error))
    if picture is None:
        return _nothing("the study has no picture of this image")
    known = request.query_params.get("v") == pictures.version(study, row)
    return Response(
        picture[0],
        media_type=picture[1],
        headers={
            "Cache-Control": FOR_EVER if known else "no-cache",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _nothing(reason: str) -> Response:
    return PlainTextResponse(reason + "\n", 404, headers={"Cache-Control": "no-store"})


ROUTES = [
    Route("/image/{study}/{size}/{row:int}", image),
    Route("/image/{study}/{size}", image),
]
