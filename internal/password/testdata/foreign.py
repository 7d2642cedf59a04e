"""Writes foreign.json: hashes made by the libraries that people move away from.

    python3 -m venv v && v/bin/pip install django passlib 'bcrypt<4.1' argon2-cffi werkzeug flask-security
    v/bin/python foreign.py > foreign.json

Costs are low, so that the tests are quick, except for a few at the libraries' defaults.
"""
import base64
import hashlib
import hmac
import json
import sys
import unicodedata

import django
import flask
from django.conf import settings

settings.configure(SECRET_KEY="unused", PASSWORD_HASHERS=[])
django.setup()

import argon2
import bcrypt
from django.contrib.auth import hashers as dj
from flask_security import Security, SQLAlchemyUserDatastore, hash_password
from passlib import hash as pl
from werkzeug.security import generate_password_hash as wz

PASSWORDS = ["correct horse battery staple", "Pässwörd Ünïcode 7", " edges ", "🔑🔑🔑🔑🔑🔑🔑🔑"]
LONG = "x" * 63 + "1"  # 64 characters that differ from others in the last one
out = []


def add(scheme, password, encoded, **more):
    out.append({"scheme": scheme, "password": password, "hash": encoded, **more})


def plain(password):
    add("werkzeug-pbkdf2-sha256", password, wz(password, "pbkdf2:sha256:1000"))
    add("werkzeug-pbkdf2-sha1", password, wz(password, "pbkdf2:sha1:1000"))
    add("werkzeug-pbkdf2-sha512", password, wz(password, "pbkdf2:sha512:1000", salt_length=22))
    add("werkzeug-scrypt", password, wz(password, "scrypt:1024:8:1"))
    # Removed from Werkzeug 3, but in every old tutorial: method="sha256".
    salted = hmac.new(b"Ab3dEf6h", password.encode(), "sha256").hexdigest()
    add("salted-sha256", password, "sha256$Ab3dEf6h$" + salted)
    salted = hmac.new(b"Ab3dEf6h", password.encode(), "sha1").hexdigest()
    add("salted-sha1", password, "sha1$Ab3dEf6h$" + salted)
    add("salted-md5", password, dj.MD5PasswordHasher().encode(password, "saltsalt"))
    add("django-pbkdf2-sha256", password, dj.PBKDF2PasswordHasher().encode(password, "saltsalt", 1000))
    add("django-pbkdf2-sha1", password, dj.PBKDF2SHA1PasswordHasher().encode(password, "saltsalt", 1000))
    add("django-scrypt", password, dj.ScryptPasswordHasher().encode(password, "saltsalt", 1024, 8, 5))
    h = dj.Argon2PasswordHasher()
    h.time_cost, h.memory_cost, h.parallelism = 1, 512, 2
    add("django-argon2id", password, h.encode(password, "saltsalt"))
    h = dj.BCryptSHA256PasswordHasher()
    h.rounds = 4
    add("django-bcrypt-sha256", password, h.encode(password, h.salt()))
    h = dj.BCryptPasswordHasher()
    h.rounds = 4
    add("django-bcrypt", password, h.encode(password, h.salt()))
    add("passlib-pbkdf2-sha1", password, pl.pbkdf2_sha1.using(rounds=1000).hash(password))
    add("passlib-pbkdf2-sha256", password, pl.pbkdf2_sha256.using(rounds=1000).hash(password))
    add("passlib-pbkdf2-sha512", password, pl.pbkdf2_sha512.using(rounds=1000).hash(password))
    add("passlib-scrypt", password, pl.scrypt.using(rounds=10).hash(password))
    add("passlib-bcrypt-sha256", password, pl.bcrypt_sha256.using(rounds=4).hash(password))
    add("passlib-bcrypt-sha256", password, pl.bcrypt_sha256.using(rounds=4, version=1).hash(password))
    add("sha256-crypt", password, pl.sha256_crypt.using(rounds=1000).hash(password))
    add("sha256-crypt", password, pl.sha256_crypt.using(rounds=5000).hash(password))
    add("sha512-crypt", password, pl.sha512_crypt.using(rounds=1000).hash(password))
    add("phpass", password, pl.phpass.using(rounds=7).hash(password))
    add("phpass", password, pl.phpass.using(rounds=7, ident="H").hash(password))
    for ident in ("2a", "2b", "2y"):
        add("bcrypt", password, pl.bcrypt.using(rounds=4, ident=ident).hash(password))
    for kind in (argon2.Type.ID, argon2.Type.I):
        ph = argon2.PasswordHasher(time_cost=1, memory_cost=256, parallelism=2, hash_len=24, type=kind)
        add("argon2id" if kind is argon2.Type.ID else "argon2i", password, ph.hash(password))


def flask_security(scheme, name, salt, passwords):
    app = flask.Flask("vectors")
    app.config.update(
        SECRET_KEY="unused",
        SECURITY_PASSWORD_HASH=scheme,
        SECURITY_PASSWORD_SALT=salt,
        SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS={"argon2__rounds": 1, "argon2__memory_cost": 256, "bcrypt__rounds": 4}
        if scheme in ("argon2", "bcrypt") else {"pbkdf2_sha512__rounds": 1000},
    )

    class Store(SQLAlchemyUserDatastore):
        def __init__(self):
            pass

    security = Security()
    security.init_app(app, Store(), register_blueprint=False)
    with app.app_context():
        for password in passwords:
            typed = unicodedata.normalize("NFKD", password)
            encoded = hash_password(typed)
            if isinstance(encoded, bytes):
                encoded = encoded.decode()
            add(name, password, "flask-security$" + encoded, flask_salt=salt)


for p in PASSWORDS + [LONG]:
    plain(p)
add("argon2id", PASSWORDS[0], argon2.PasswordHasher().hash(PASSWORDS[0]))
add("werkzeug-scrypt", PASSWORDS[0], wz(PASSWORDS[0]))
add("passlib-pbkdf2-sha256", PASSWORDS[0], pl.pbkdf2_sha256.hash(PASSWORDS[0]))
flask_security("argon2", "flask-security-argon2id", "146585145368132386173505678016728509634", PASSWORDS + [LONG])
flask_security("bcrypt", "flask-security-bcrypt", "146585145368132386173505678016728509634", PASSWORDS + [LONG])
flask_security("pbkdf2_sha512", "flask-security-passlib-pbkdf2-sha512", "146585145368132386173505678016728509634", PASSWORDS)
json.dump(out, sys.stdout, indent=1, ensure_ascii=True)
