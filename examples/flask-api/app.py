"""A Flask API that knows nothing of Watchword but its issuer URL.

Plain PyJWT verifies the tokens with the keys that the issuer publishes:

    pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8080 flask --app app run --port 8082

It accepts tokens for the resource http://127.0.0.1:8082.

Refunds ask the issuer whether the token is still active, since a token that was verified
here works until it expires. That needs a client of the API's own:

    watchword client create --name Refunds --type machine --serves http://127.0.0.1:8082
    CLIENT_ID=cl_… CLIENT_SECRET=wws_… flask --app app run --port 8082
"""

import functools
import os

import jwt
import requests
from flask import Flask, g, jsonify, request

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8082")
CLIENT = os.environ.get("CLIENT_ID", ""), os.environ.get("CLIENT_SECRET", "")

# The algorithms of the issuer. Never one with a shared secret, and never the one that the
# token names.
ALGORITHMS = ["ES256", "RS256", "EdDSA"]

app = Flask(__name__)


class Refused(Exception):
    """An error response by RFC 6750 §3 and RFC 9457."""

    def __init__(self, status, code, detail):
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class IssuerDown(Exception):
    """The issuer does not respond, so the token cannot be verified."""


class Keys(jwt.PyJWKClient):
    """Tells an issuer that does not respond from an unknown key: PyJWT has one error for both."""

    def fetch_data(self):
        try:
            return super().fetch_data()
        except (jwt.PyJWKClientError, OSError, ValueError) as err:
            raise IssuerDown(str(err)) from err


KEYS = Keys(ISSUER + "/.well-known/jwks.json")


def verify(token):
    """Return the claims of a valid access token."""
    try:
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise Refused(401, "invalid_token", "This is not an access token.")  # RFC 9068 §4
        return jwt.decode(
            token, KEYS.get_signing_key_from_jwt(token).key, algorithms=ALGORITHMS, issuer=ISSUER,
            audience=RESOURCE, leeway=30, options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except IssuerDown:
        raise Refused(503, "keys_unavailable", "Access tokens cannot be verified at the moment.")
    except jwt.ExpiredSignatureError:
        raise Refused(401, "token_expired", "The access token has expired.")
    except jwt.PyJWTError:
        raise Refused(401, "invalid_token", "The access token is not valid for this API.")


def is_active(token):
    """Ask the issuer whether the token has been revoked or its session has ended."""
    try:
        answer = requests.post(ISSUER + "/oauth2/introspect", data={"token": token}, auth=CLIENT, timeout=3)
        answer.raise_for_status()
        return answer.json().get("active") is True
    except (requests.RequestException, ValueError) as err:
        raise Refused(503, "issuer_unavailable", "Access tokens cannot be verified at the moment.") from err


def token_required(*permissions, fresh=False):
    """Require a valid access token with these permissions; fresh also asks the issuer."""

    def wrap(view):
        @functools.wraps(view)
        def guarded(*args, **kwargs):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise Refused(401, "missing_token", "This request needs an access token.")
            g.claims = verify(token)
            if not set(permissions) <= set(g.claims.get("permissions", [])):
                raise Refused(403, "insufficient_permission", "The account lacks a required permission.")
            if fresh and not is_active(token):
                raise Refused(401, "invalid_token", "The access token is not valid any more.")
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


@app.post("/refunds")
@token_required("orders:read", fresh=True)
def refunds():
    return jsonify(refunded=True), 201


@app.errorhandler(Refused)
def refused(err):
    body = jsonify(type="about:blank", status=err.status, code=err.code, detail=err.detail)
    body.status_code, body.content_type = err.status, "application/problem+json"
    body.headers["Cache-Control"] = "no-store"
    if err.status == 503:
        body.headers["Retry-After"] = "5"
    elif err.code == "missing_token":
        body.headers["WWW-Authenticate"] = "Bearer"
    else:
        word = "insufficient_scope" if err.status == 403 else "invalid_token"
        body.headers["WWW-Authenticate"] = f'Bearer error="{word}", error_description="{err.detail}"'
    return body
