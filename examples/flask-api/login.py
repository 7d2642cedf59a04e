"""A Flask application that signs users in with OpenID Connect, by Authlib.

    pip install -r requirements.txt
    watchword client create --name Shop --type web --first-party --redirect-uri http://127.0.0.1:8083/callback
    CLIENT_ID=cl_… CLIENT_SECRET=wws_… flask --app login run --port 8083

The tokens stay here; the browser holds the session cookie of Flask and nothing else.
"""

import os
import secrets

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
app.config.update(SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_NAME="shop")

oauth = OAuth(app)
oauth.register(
    "watchword",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)


@app.get("/")
def home():
    if "user" not in session:
        return redirect(url_for("login"))
    return f"Hello, {session['user']['email']}"


@app.get("/login")
def login():
    return oauth.watchword.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    try:
        token = oauth.watchword.authorize_access_token()
    except OAuthError as err:  # the user denied the request, or the response is not for this browser
        return f"Not signed in: {err.error}", 403
    user = oauth.watchword.userinfo(token=token)  # the ID Token names the user only by "sub"
    session.clear()
    session["user"] = {"sub": user["sub"], "email": user["email"]}
    return redirect(url_for("home"))
