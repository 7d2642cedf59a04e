package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// registration returns a valid registration request with changes.
func registration(changes jsonObject) string {
	b, err := json.Marshal(withChanges(jsonObject{"client_name": "New", "redirect_uris": []string{"https://new.example.test/cb"}, "token_endpoint_auth_method": "client_secret_basic"}, changes))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// compareRegistration compares a registration; of a successful one, only the status.
func compareRegistration(what string, changes jsonObject) comparison {
	return compareRegistrationBody(what, registration(changes))
}

func compareRegistrationBody(what, body string) comparison {
	return comparison{"register: " + what, func(p *testProvider) string {
		a := p.send(request{to: p.at("registration_endpoint"), body: body, media: "application/json"})
		if a.status == 201 {
			return "201"
		}
		return a.String()
	}}
}

var registerQuestions = []comparison{
	compareRegistration("good", nil),
	compareRegistrationBody("no JSON", "{"),
	compareRegistrationBody("a list", "[]"),
	compareRegistrationBody("nothing", "{}"),
	compareRegistration("no redirect URI", jsonObject{"redirect_uris": nil}),
	compareRegistration("empty redirect URIs", jsonObject{"redirect_uris": []string{}}),
	compareRegistration("redirect URIs that are a text", jsonObject{"redirect_uris": "https://new.example.test/cb"}),
	compareRegistration("AZ-12 http", jsonObject{"redirect_uris": []string{"http://new.example.test/cb"}}),
	compareRegistration("AZ-06 fragment", jsonObject{"redirect_uris": []string{"https://new.example.test/cb#x"}}),
	compareRegistration("AZ-13 javascript:", jsonObject{"redirect_uris": []string{"javascript:alert(1)"}}),
	compareRegistration("AZ-13 javascript: of a native client", jsonObject{"redirect_uris": []string{"javascript:alert(1)"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	compareRegistration("relative redirect URI", jsonObject{"redirect_uris": []string{"/cb"}}),
	compareRegistration("native client on the device", jsonObject{"redirect_uris": []string{"http://127.0.0.1/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	compareRegistration("scheme without a dot", jsonObject{"redirect_uris": []string{"app:/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	compareRegistration("scheme with a dot", jsonObject{"redirect_uris": []string{"com.example.app:/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	compareRegistration("unknown application_type", jsonObject{"application_type": "bogus"}),
	compareRegistration("unknown method", jsonObject{"token_endpoint_auth_method": "bogus"}),
	compareRegistration("unknown grant", jsonObject{"grant_types": []string{"bogus"}}),
	compareRegistration("implicit grant", jsonObject{"grant_types": []string{"implicit"}, "response_types": []string{"id_token"}}),
	compareRegistration("grant without its response type", jsonObject{"grant_types": []string{"authorization_code"}, "response_types": []string{}}),
	compareRegistration("response type without its grant", jsonObject{"grant_types": []string{"refresh_token"}, "response_types": []string{"code"}}),
	compareRegistration("unknown response type", jsonObject{"response_types": []string{"bogus"}}),
	compareRegistration("machine", jsonObject{"grant_types": []string{"client_credentials"}, "response_types": []string{}, "redirect_uris": []string{}}),
	compareRegistration("device", jsonObject{"grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code"}, "response_types": []string{}, "redirect_uris": []string{}, "token_endpoint_auth_method": "none", "application_type": "native"}),
	compareRegistration("keys and jwks_uri", jsonObject{"jwks": jsonObject{"keys": []any{}}, "jwks_uri": "https://new.example.test/jwks"}),
	compareRegistration("private_key_jwt without keys", jsonObject{"token_endpoint_auth_method": "private_key_jwt"}),
	compareRegistration("key that is a secret", jsonObject{"token_endpoint_auth_method": "private_key_jwt", "jwks": jsonObject{"keys": []any{jsonObject{"kty": "oct", "k": "c2VjcmV0"}}}}),
	compareRegistration("key with its private part", jsonObject{"token_endpoint_auth_method": "private_key_jwt", "jwks": jsonObject{"keys": []any{jsonObject{"kty": "EC", "crv": "P-256",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}}}}),
	compareRegistration("jwks_uri over http", jsonObject{"jwks_uri": "http://new.example.test/jwks"}),
	compareRegistration("jwks_uri that is none", jsonObject{"jwks_uri": "x"}),
	compareRegistration("unknown subject_type", jsonObject{"subject_type": "bogus"}),
	compareRegistration("ID Tokens with alg none", jsonObject{"id_token_signed_response_alg": "none"}),
	compareRegistration("ID Tokens with an unknown alg", jsonObject{"id_token_signed_response_alg": "bogus"}),
	compareRegistration("userinfo with an unknown alg", jsonObject{"userinfo_signed_response_alg": "bogus"}),
	compareRegistration("request objects with alg none", jsonObject{"request_object_signing_alg": "none"}),
	compareRegistration("encrypted ID Tokens", jsonObject{"id_token_encrypted_response_alg": "RSA-OAEP"}),
	compareRegistration("AZ-13 javascript: as the logo", jsonObject{"logo_uri": "javascript:alert(1)"}),
	compareRegistration("logo that is a number", jsonObject{"logo_uri": 1}),
	compareRegistration("negative default_max_age", jsonObject{"default_max_age": -1}),
	compareRegistration("default_max_age that is a text", jsonObject{"default_max_age": "1"}),
	compareRegistration("require_auth_time that is a text", jsonObject{"require_auth_time": "yes"}),
	compareRegistration("contacts that are a text", jsonObject{"contacts": "x"}),
	compareRegistration("AZ-13 javascript: after logging out", jsonObject{"post_logout_redirect_uris": []string{"javascript:alert(1)"}}),
	compareRegistration("unknown member", jsonObject{"bogus": "x"}),
	compareRegistration("unknown scope", jsonObject{"scope": "bogus"}),
	compareRegistration("name that is a number", jsonObject{"client_name": 1}),
	compareRegistration("request_uris over http", jsonObject{"request_uris": []string{"http://new.example.test/request"}}),
	{"register: form instead of JSON", func(p *testProvider) string {
		return p.send(request{to: p.at("registration_endpoint"), form: params("client_name", "x")}).String()
	}},
	{"register: GET", func(p *testProvider) string {
		return p.send(request{method: "GET", to: p.at("registration_endpoint")}).String()
	}},
}

// compareManagement compares a request of a newly registered client (RFC 7592).
func compareManagement(what string, ask func(p *testProvider, uri, token string, client response) response) comparison {
	return comparison{"manage: " + what, func(p *testProvider) string {
		a := p.send(request{to: p.at("registration_endpoint"), body: registration(nil), media: "application/json"})
		if a.status != 201 {
			p.Fatalf("%s: register: %s", p.base, a)
		}
		got := ask(p, a.text("registration_client_uri"), a.text("registration_access_token"), a)
		if got.status == 200 {
			return "200"
		}
		return got.String()
	}}
}

func manage(p *testProvider, method, uri string, h http.Header, body string) response {
	p.Helper()
	media := ""
	if body != "" {
		media = "application/json"
	}
	return p.send(request{method: method, to: uri, header: h, body: body, media: media})
}

var manageQuestions = []comparison{
	compareManagement("read", func(p *testProvider, uri, token string, _ response) response {
		return manage(p, "GET", uri, bearer(token), "")
	}),
	compareManagement("no token", func(p *testProvider, uri, _ string, _ response) response { return manage(p, "GET", uri, nil, "") }),
	compareManagement("wrong token", func(p *testProvider, uri, _ string, _ response) response {
		return manage(p, "GET", uri, bearer("x"), "")
	}),
	compareManagement("token of another client", func(p *testProvider, uri, _ string, _ response) response {
		other := p.send(request{to: p.at("registration_endpoint"), body: registration(nil), media: "application/json"})
		return manage(p, "GET", uri, bearer(other.text("registration_access_token")), "")
	}),
	compareManagement("unknown client", func(p *testProvider, uri, token string, _ response) response {
		return manage(p, "GET", uri+"x", bearer(token), "")
	}),
	compareManagement("replace", func(p *testProvider, uri, token string, c response) response {
		return manage(p, "PUT", uri, bearer(token), registration(jsonObject{"client_id": c.text("client_id"), "client_name": "Newer"}))
	}),
	compareManagement("replace, with its secret", func(p *testProvider, uri, token string, c response) response {
		return manage(p, "PUT", uri, bearer(token), registration(jsonObject{"client_id": c.text("client_id"), "client_secret": c.text("client_secret")}))
	}),
	compareManagement("replace, with another secret", func(p *testProvider, uri, token string, c response) response {
		return manage(p, "PUT", uri, bearer(token), registration(jsonObject{"client_id": c.text("client_id"), "client_secret": "x"}))
	}),
	compareManagement("replace without client_id", func(p *testProvider, uri, token string, _ response) response {
		return manage(p, "PUT", uri, bearer(token), registration(nil))
	}),
	compareManagement("replace with another client_id", func(p *testProvider, uri, token string, _ response) response {
		return manage(p, "PUT", uri, bearer(token), registration(jsonObject{"client_id": "x"}))
	}),
	compareManagement("replace by what is wrong", func(p *testProvider, uri, token string, c response) response {
		return manage(p, "PUT", uri, bearer(token), registration(jsonObject{"client_id": c.text("client_id"), "redirect_uris": []string{"https://x.test/#x"}}))
	}),
	compareManagement("replace with what the server says", func(p *testProvider, uri, token string, c response) response {
		return manage(p, "PUT", uri, bearer(token), registration(jsonObject{"client_id": c.text("client_id"), "client_id_issued_at": 1}))
	}),
	compareManagement("delete", func(p *testProvider, uri, token string, _ response) response {
		return manage(p, "DELETE", uri, bearer(token), "")
	}),
	compareManagement("read after delete", func(p *testProvider, uri, token string, _ response) response {
		manage(p, "DELETE", uri, bearer(token), "")
		return manage(p, "GET", uri, bearer(token), "")
	}),
	compareManagement("POST", func(p *testProvider, uri, token string, _ response) response {
		return manage(p, "POST", uri, bearer(token), "{}")
	}),
}

// compareLogout compares a logout request, with the session of the user if signedIn.
func compareLogout(what string, signedIn bool, pairs func(*testProvider) []string) comparison {
	return comparison{"logout: " + what, func(p *testProvider) string {
		b := p.browser()
		if signedIn {
			b = p.person
		}
		return b.open(p.at("end_session_endpoint")+"?"+params(pairs(p)...).Encode(), nil, false).String()
	}}
}

func idToken(p *testProvider) string { _, _, id := p.redeemNewCode("conf"); return id }

var logoutQuestions = []comparison{
	compareLogout("not signed in, no parameters", false, func(*testProvider) []string { return nil }),
	compareLogout("not signed in, back to the client", false, func(p *testProvider) []string {
		return []string{"client_id", p.clients["conf"].id, "post_logout_redirect_uri", afterward, "state", "s"}
	}),
	compareLogout("hint that is no token", false, func(*testProvider) []string { return []string{"id_token_hint", "x"} }),
	compareLogout("unknown client", false, func(*testProvider) []string {
		return []string{"client_id", "cl_nobody", "post_logout_redirect_uri", afterward}
	}),
	compareLogout("redirect that is not registered", false, func(p *testProvider) []string {
		return []string{"client_id", p.clients["conf"].id, "post_logout_redirect_uri", "https://evil.test/"}
	}),
	compareLogout("hint and redirect that is not registered", true, func(p *testProvider) []string {
		return []string{"id_token_hint", idToken(p), "post_logout_redirect_uri", "https://evil.test/"}
	}),
	compareLogout("hint of another client than client_id", true, func(p *testProvider) []string {
		return []string{"id_token_hint", idToken(p), "client_id", p.clients["conf2"].id}
	}),
	compareLogout("redirect URI without a client", false, func(*testProvider) []string { return []string{"post_logout_redirect_uri", afterward} }),
	compareLogout("parameter twice", false, func(p *testProvider) []string { return []string{"state", "a", "state", "b"} }),
	compareLogout("signed in, nothing said", true, func(*testProvider) []string { return nil }),
	{"logout: form of another site, signed in", func(p *testProvider) string {
		return p.person.open(p.at("end_session_endpoint"), url.Values{"client_id": {p.clients["conf"].id}}, false).String()
	}},
	{"logout: PUT", func(p *testProvider) string {
		return fmt.Sprint(p.send(request{method: "PUT", to: p.at("end_session_endpoint")}).status)
	}},
	{"logout: discovery by POST", func(p *testProvider) string {
		return fmt.Sprint(p.send(request{to: p.base + "/.well-known/openid-configuration"}).status)
	}},
	{"logout: JWKS by POST", func(p *testProvider) string { return fmt.Sprint(p.send(request{to: p.at("jwks_uri")}).status) }},
	compareLogout("own hint, back to the client", true, func(p *testProvider) []string {
		return []string{"id_token_hint", idToken(p), "post_logout_redirect_uri", afterward, "state", "s"}
	}),
}
