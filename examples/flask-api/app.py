"""A Flask API that knows nothing of Watchword but its issuer URL.

Plain PyJWT checks the tokens with the keys that the issuer publishes:

    ISSUER=http://127.0.0.1:8080 flask --app app run --port 8082

It takes tokens that were asked for it: the resource http://127.0.0.1:8082.
"""

import functools
import os

import jwt
from flask import Flask, abort, g, jsonify, request

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8082")
KEYS = jwt.PyJWKClient(ISSUER + "/.well-known/jwks.json")

app = Flask(__name__)


def token_required(*permissions):
    """Let a request in that carries a valid access token with these permissions."""

    def wrap(view):
        @functools.wraps(view)
        def guarded(*args, **kwargs):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                abort(401)
            try:
                if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                    abort(401)  # an ID Token is not an access token (RFC 9068)
                key = KEYS.get_signing_key_from_jwt(token).key
                g.claims = jwt.decode(
                    token, key, algorithms=["ES256"], issuer=ISSUER, audience=RESOURCE,
                    options={"require": ["exp", "iat", "sub"]},
                )
            except jwt.PyJWTError:
                abort(401)
            if not set(permissions) <= set(g.claims.get("permissions", [])):
                abort(403)
            return view(*args, **kwargs)

        return guarded

    return wrap


@app.get("/hello")
@token_required()
def hello():
    return jsonify(hello=g.claims["sub"])


@app.get("/orders")
@token_required("orders:read")
def orders():
    return jsonify(orders=[])


@app.errorhandler(401)
def unauthorized(_):
    return jsonify(error="unauthorized"), 401, {"WWW-Authenticate": "Bearer"}
