"""A Flask application that signs people in with Authlib, and an API that checks our
tokens with PyJWT."""
import os

import jwt
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, jsonify, request, session, url_for

ISSUER = os.environ["ISSUER"]

app = Flask(__name__)
app.secret_key = os.urandom(32)
oauth = OAuth(app)
oauth.register(
    "watchword",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
)
keys = jwt.PyJWKClient(ISSUER + "/.well-known/jwks.json")


@app.get("/login")
def login():
    return oauth.watchword.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    token = oauth.watchword.authorize_access_token()
    session["user"] = dict(token["userinfo"])
    told = oauth.watchword.userinfo(token=token)
    return jsonify(sub=session["user"]["sub"], email=told["email"], access_token=token["access_token"])


@app.get("/api/hello")
def hello():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        abort(401)
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key.key, algorithms=["ES256", "RS256", "EdDSA"], audience=ISSUER, issuer=ISSUER,
                            options={"require": ["exp", "iat", "sub", "aud", "iss"]})
    except jwt.PyJWTError as err:
        abort(401, str(err))
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        abort(401)
    return jsonify(sub=claims["sub"], scope=claims["scope"])


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
