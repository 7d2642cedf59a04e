"""The tutorial system that people come from: Flask, PyJWT with one shared secret,
Werkzeug's scrypt. It stands beside Watchword in the same run."""

import datetime

import jwt
from flask import Flask, abort, jsonify, request
from werkzeug.security import check_password_hash, generate_password_hash

SECRET = "a-shared-secret-of-at-least-32-bytes-as-the-tutorial-says"
USERS = {"alice@example.test": generate_password_hash("plain-sailing-42")}

app = Flask(__name__)


@app.post("/login")
def login():
    body = request.get_json()
    stored = USERS.get(body["email"])
    if stored is None or not check_password_hash(stored, body["password"]):
        abort(401)
    now = datetime.datetime.now(datetime.timezone.utc)
    token = jwt.encode({"sub": body["email"], "iat": now, "exp": now + datetime.timedelta(minutes=15)}, SECRET, algorithm="HS256")
    return jsonify(access_token=token)


@app.get("/hello")
def hello():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        abort(401)
    return "hello\n"
