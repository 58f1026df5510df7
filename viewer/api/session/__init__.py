"""Who is signed in on this browser, under which assignment, and for how long."""

from fastapi import APIRouter

from viewer.api.session import elsewhere, proof, signing_in

router = APIRouter()
for part in (signing_in, proof, elsewhere):
    router.include_router(part.router)
