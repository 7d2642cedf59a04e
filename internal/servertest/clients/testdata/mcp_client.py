"""The Python SDK of the Model Context Protocol as a client of a guarded resource."""
import asyncio
import json
import os
import sys

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata
from urllib.parse import parse_qs, urlparse

settings = json.loads(os.environ["SETTINGS"])
state = {}


class Storage:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def redirect(address):
    print(json.dumps({"visit": address}), flush=True)
    state["back"] = parse_qs(urlparse(sys.stdin.readline().strip()).query)


async def callback():
    q = state["back"]
    return AuthorizationCodeResult(code=q["code"][0], state=q["state"][0], iss=q["iss"][0])


async def main():
    storage = Storage()
    provider = OAuthClientProvider(
        settings["resource"],
        OAuthClientMetadata(client_name="Test MCP client", redirect_uris=[settings["redirect"]], token_endpoint_auth_method="none",
                            grant_types=["authorization_code", "refresh_token"], response_types=["code"]),
        storage, redirect, callback, client_metadata_url=settings["document"] or None)
    async with httpx2.AsyncClient(auth=provider) as client:
        answer = await client.get(settings["resource"])
        if answer.status_code != 200:
            raise SystemExit(f"the resource answers {answer.status_code} {answer.headers.get('www-authenticate')}, scope {storage.tokens and storage.tokens.scope}")
        if "orders:read" not in (storage.tokens.scope or ""):
            raise SystemExit(f"the scope is {storage.tokens.scope}")
        if settings["document"] and storage.client.client_id != settings["document"]:
            raise SystemExit(f"the client is {storage.client.client_id}")
        said = answer.json()
    print(json.dumps({"done": {"sub": said["sub"], "aud": said["aud"], "refreshed": "no"}}), flush=True)


asyncio.run(main())
