package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// registration is a good request to register, with changes as in over.
func registration(changes said) string {
	b, err := json.Marshal(over(said{"client_name": "New", "redirect_uris": []string{"https://new.example.test/cb"}, "token_endpoint_auth_method": "client_secret_basic"}, changes))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// enrols makes a question of a registration; of one that is taken the status alone counts.
func enrols(what string, changes said) question { return enrolsBody(what, registration(changes)) }

func enrolsBody(what, body string) question {
	return question{"register: " + what, func(p *party) string {
		a := p.send(asking{to: p.at("registration_endpoint"), body: body, media: "application/json"})
		if a.status == 201 {
			return "201"
		}
		return a.String()
	}}
}

var registerQuestions = []question{
	enrols("good", nil),
	enrolsBody("no JSON", "{"),
	enrolsBody("a list", "[]"),
	enrolsBody("nothing", "{}"),
	enrols("no redirect URI", said{"redirect_uris": nil}),
	enrols("empty redirect URIs", said{"redirect_uris": []string{}}),
	enrols("redirect URIs that are a text", said{"redirect_uris": "https://new.example.test/cb"}),
	enrols("AZ-12 http", said{"redirect_uris": []string{"http://new.example.test/cb"}}),
	enrols("AZ-06 fragment", said{"redirect_uris": []string{"https://new.example.test/cb#x"}}),
	enrols("AZ-13 javascript:", said{"redirect_uris": []string{"javascript:alert(1)"}}),
	enrols("AZ-13 javascript: of a native client", said{"redirect_uris": []string{"javascript:alert(1)"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	enrols("relative redirect URI", said{"redirect_uris": []string{"/cb"}}),
	enrols("native client on the device", said{"redirect_uris": []string{"http://127.0.0.1/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	enrols("scheme without a dot", said{"redirect_uris": []string{"app:/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	enrols("scheme with a dot", said{"redirect_uris": []string{"com.example.app:/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}),
	enrols("unknown application_type", said{"application_type": "bogus"}),
	enrols("unknown method", said{"token_endpoint_auth_method": "bogus"}),
	enrols("unknown grant", said{"grant_types": []string{"bogus"}}),
	enrols("implicit grant", said{"grant_types": []string{"implicit"}, "response_types": []string{"id_token"}}),
	enrols("grant without its response type", said{"grant_types": []string{"authorization_code"}, "response_types": []string{}}),
	enrols("response type without its grant", said{"grant_types": []string{"refresh_token"}, "response_types": []string{"code"}}),
	enrols("unknown response type", said{"response_types": []string{"bogus"}}),
	enrols("machine", said{"grant_types": []string{"client_credentials"}, "response_types": []string{}, "redirect_uris": []string{}}),
	enrols("device", said{"grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code"}, "response_types": []string{}, "redirect_uris": []string{}, "token_endpoint_auth_method": "none", "application_type": "native"}),
	enrols("keys and jwks_uri", said{"jwks": said{"keys": []any{}}, "jwks_uri": "https://new.example.test/jwks"}),
	enrols("private_key_jwt without keys", said{"token_endpoint_auth_method": "private_key_jwt"}),
	enrols("key that is a secret", said{"token_endpoint_auth_method": "private_key_jwt", "jwks": said{"keys": []any{said{"kty": "oct", "k": "c2VjcmV0"}}}}),
	enrols("key with its private part", said{"token_endpoint_auth_method": "private_key_jwt", "jwks": said{"keys": []any{said{"kty": "EC", "crv": "P-256",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}}}}),
	enrols("jwks_uri over http", said{"jwks_uri": "http://new.example.test/jwks"}),
	enrols("jwks_uri that is none", said{"jwks_uri": "x"}),
	enrols("unknown subject_type", said{"subject_type": "bogus"}),
	enrols("ID Tokens with alg none", said{"id_token_signed_response_alg": "none"}),
	enrols("ID Tokens with an unknown alg", said{"id_token_signed_response_alg": "bogus"}),
	enrols("userinfo with an unknown alg", said{"userinfo_signed_response_alg": "bogus"}),
	enrols("request objects with alg none", said{"request_object_signing_alg": "none"}),
	enrols("encrypted ID Tokens", said{"id_token_encrypted_response_alg": "RSA-OAEP"}),
	enrols("AZ-13 javascript: as the logo", said{"logo_uri": "javascript:alert(1)"}),
	enrols("logo that is a number", said{"logo_uri": 1}),
	enrols("negative default_max_age", said{"default_max_age": -1}),
	enrols("default_max_age that is a text", said{"default_max_age": "1"}),
	enrols("require_auth_time that is a text", said{"require_auth_time": "yes"}),
	enrols("contacts that are a text", said{"contacts": "x"}),
	enrols("AZ-13 javascript: after logging out", said{"post_logout_redirect_uris": []string{"javascript:alert(1)"}}),
	enrols("unknown member", said{"bogus": "x"}),
	enrols("unknown scope", said{"scope": "bogus"}),
	enrols("name that is a number", said{"client_name": 1}),
	enrols("request_uris over http", said{"request_uris": []string{"http://new.example.test/request"}}),
	{"register: form instead of JSON", func(p *party) string {
		return p.send(asking{to: p.at("registration_endpoint"), form: kv("client_name", "x")}).String()
	}},
	{"register: GET", func(p *party) string {
		return p.send(asking{method: "GET", to: p.at("registration_endpoint")}).String()
	}},
}

// managed makes a question about a client that has just registered itself (RFC 7592).
func managed(what string, ask func(p *party, uri, token string, client answer) answer) question {
	return question{"manage: " + what, func(p *party) string {
		a := p.send(asking{to: p.at("registration_endpoint"), body: registration(nil), media: "application/json"})
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

func manage(p *party, method, uri string, h http.Header, body string) answer {
	p.Helper()
	media := ""
	if body != "" {
		media = "application/json"
	}
	return p.send(asking{method: method, to: uri, header: h, body: body, media: media})
}

var manageQuestions = []question{
	managed("read", func(p *party, uri, token string, _ answer) answer { return manage(p, "GET", uri, bearer(token), "") }),
	managed("no token", func(p *party, uri, _ string, _ answer) answer { return manage(p, "GET", uri, nil, "") }),
	managed("wrong token", func(p *party, uri, _ string, _ answer) answer { return manage(p, "GET", uri, bearer("x"), "") }),
	managed("token of another client", func(p *party, uri, _ string, _ answer) answer {
		other := p.send(asking{to: p.at("registration_endpoint"), body: registration(nil), media: "application/json"})
		return manage(p, "GET", uri, bearer(other.text("registration_access_token")), "")
	}),
	managed("unknown client", func(p *party, uri, token string, _ answer) answer {
		return manage(p, "GET", uri+"x", bearer(token), "")
	}),
	managed("replace", func(p *party, uri, token string, c answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(said{"client_id": c.text("client_id"), "client_name": "Newer"}))
	}),
	managed("replace, with its secret", func(p *party, uri, token string, c answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(said{"client_id": c.text("client_id"), "client_secret": c.text("client_secret")}))
	}),
	managed("replace, with another secret", func(p *party, uri, token string, c answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(said{"client_id": c.text("client_id"), "client_secret": "x"}))
	}),
	managed("replace without client_id", func(p *party, uri, token string, _ answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(nil))
	}),
	managed("replace with another client_id", func(p *party, uri, token string, _ answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(said{"client_id": "x"}))
	}),
	managed("replace by what is wrong", func(p *party, uri, token string, c answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(said{"client_id": c.text("client_id"), "redirect_uris": []string{"https://x.test/#x"}}))
	}),
	managed("replace with what the server says", func(p *party, uri, token string, c answer) answer {
		return manage(p, "PUT", uri, bearer(token), registration(said{"client_id": c.text("client_id"), "client_id_issued_at": 1}))
	}),
	managed("delete", func(p *party, uri, token string, _ answer) answer { return manage(p, "DELETE", uri, bearer(token), "") }),
	managed("read after delete", func(p *party, uri, token string, _ answer) answer {
		manage(p, "DELETE", uri, bearer(token), "")
		return manage(p, "GET", uri, bearer(token), "")
	}),
	managed("POST", func(p *party, uri, token string, _ answer) answer { return manage(p, "POST", uri, bearer(token), "{}") }),
}

// leaves makes a question of a request to log out, in a browser where nobody is or,
// with signedIn, in the person's.
func leaves(what string, signedIn bool, pairs func(*party) []string) question {
	return question{"logout: " + what, func(p *party) string {
		b := p.browser()
		if signedIn {
			b = p.person
		}
		return b.open(p.at("end_session_endpoint")+"?"+kv(pairs(p)...).Encode(), nil, false).String()
	}}
}

func idToken(p *party) string { _, _, id := p.redeemed("conf"); return id }

var logoutQuestions = []question{
	leaves("not signed in, no parameters", false, func(*party) []string { return nil }),
	leaves("not signed in, back to the client", false, func(p *party) []string {
		return []string{"client_id", p.clients["conf"].id, "post_logout_redirect_uri", afterward, "state", "s"}
	}),
	leaves("hint that is no token", false, func(*party) []string { return []string{"id_token_hint", "x"} }),
	leaves("unknown client", false, func(*party) []string {
		return []string{"client_id", "cl_nobody", "post_logout_redirect_uri", afterward}
	}),
	leaves("redirect that is not registered", false, func(p *party) []string {
		return []string{"client_id", p.clients["conf"].id, "post_logout_redirect_uri", "https://evil.test/"}
	}),
	leaves("hint and redirect that is not registered", true, func(p *party) []string {
		return []string{"id_token_hint", idToken(p), "post_logout_redirect_uri", "https://evil.test/"}
	}),
	leaves("hint of another client than client_id", true, func(p *party) []string {
		return []string{"id_token_hint", idToken(p), "client_id", p.clients["conf2"].id}
	}),
	leaves("redirect URI without a client", false, func(*party) []string { return []string{"post_logout_redirect_uri", afterward} }),
	leaves("parameter twice", false, func(p *party) []string { return []string{"state", "a", "state", "b"} }),
	leaves("signed in, nothing said", true, func(*party) []string { return nil }),
	{"logout: form of another site, signed in", func(p *party) string {
		return p.person.open(p.at("end_session_endpoint"), url.Values{"client_id": {p.clients["conf"].id}}, false).String()
	}},
	{"logout: PUT", func(p *party) string {
		return fmt.Sprint(p.send(asking{method: "PUT", to: p.at("end_session_endpoint")}).status)
	}},
	{"logout: discovery by POST", func(p *party) string {
		return fmt.Sprint(p.send(asking{to: p.base + "/.well-known/openid-configuration"}).status)
	}},
	{"logout: JWKS by POST", func(p *party) string { return fmt.Sprint(p.send(asking{to: p.at("jwks_uri")}).status) }},
	leaves("own hint, back to the client", true, func(p *party) []string {
		return []string{"id_token_hint", idToken(p), "post_logout_redirect_uri", afterward, "state", "s"}
	}),
}
