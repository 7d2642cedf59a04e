package clients_test

import (
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// compareToken compares a form at the token endpoint.
func compareToken(what, as string, pairs ...string) comparison {
	return comparison{"token: " + what, func(p *testProvider) string { return p.token(as, pairs...).String() }}
}

// compareTokenRequest compares any request to the token endpoint.
func compareTokenRequest(what string, q func(*testProvider) request) comparison {
	return comparison{"token: " + what, func(p *testProvider) string {
		v := q(p)
		v.to = p.at("token_endpoint") + v.to
		return p.send(v).String()
	}}
}

const machineGrant = "client_credentials"

var tokenQuestions = []comparison{
	compareToken("machine", "svc", "grant_type", machineGrant, "scope", "read"),
	compareToken("machine without scope", "svc", "grant_type", machineGrant),
	compareToken("machine with unknown scope", "svc", "grant_type", machineGrant, "scope", "bogus"),
	compareToken("machine with scope openid", "svc", "grant_type", machineGrant, "scope", "openid"),
	compareToken("machine with a broken scope", "svc", "grant_type", machineGrant, "scope", `a"b`),
	compareToken("machine for a resource", "svc", "grant_type", machineGrant, "scope", "read", "resource", resource),
	compareToken("machine for an unknown resource", "svc", "grant_type", machineGrant, "resource", "https://other.example.test"),
	compareToken("machine for a relative resource", "svc", "grant_type", machineGrant, "resource", "x"),
	compareToken("no grant_type", "svc"),
	compareToken("TK-38 unknown grant_type", "svc", "grant_type", "bogus"),
	compareToken("TK-38 empty grant_type", "svc", "grant_type", ""),
	compareToken("TK-38 grant_type of 10 KiB", "svc", "grant_type", strings.Repeat("a", 10<<10)),
	compareToken("TK-17 password", "conf", "grant_type", "password", "username", alice, "password", "x"),
	compareToken("implicit", "conf", "grant_type", "implicit"),
	compareToken("TK-18 grant that the client may not use", "conf", "grant_type", machineGrant),
	compareToken("TK-18 code for a machine", "svc", "grant_type", "authorization_code", "code", "x", "redirect_uri", appReturn),
	compareToken("TK-19 public client as a machine", "spa", "grant_type", machineGrant),
	compareToken("TK-16 grant_type twice", "svc", "grant_type", machineGrant, "grant_type", machineGrant),
	compareToken("TK-16 scope twice", "svc", "grant_type", machineGrant, "scope", "read", "scope", "read"),
	compareToken("TK-16 client_id twice", "", "grant_type", machineGrant, "client_id", "a", "client_id", "b"),
	compareToken("token exchange without a token", "conf", "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
	compareToken("without authentication", "", "grant_type", machineGrant),
	compareToken("unknown client", "", "grant_type", machineGrant, "client_id", "cl_nobody", "client_secret", "x"),
	compareTokenRequest("TK-11 wrong secret in the header", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant), header: header("Authorization", basic(p.clients["svc"].id, "x"))}
	}),
	compareTokenRequest("unknown client in the header", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant), header: header("Authorization", basic("cl_nobody", "x"))}
	}),
	compareTokenRequest("TK-11 wrong secret in the form", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant, "client_id", p.clients["post"].id, "client_secret", "x")}
	}),
	compareTokenRequest("TK-13 secret in header and form", func(p *testProvider) request {
		return request{as: "svc", form: params("grant_type", machineGrant, "client_id", p.clients["svc"].id, "client_secret", p.clients["svc"].secret)}
	}),
	compareTokenRequest("secret in the form, registered for the header", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant, "client_id", p.clients["svc"].id, "client_secret", p.clients["svc"].secret)}
	}),
	compareTokenRequest("secret in the header, registered for the form", func(p *testProvider) request {
		return request{form: params("grant_type", "authorization_code", "code", "x"), header: header("Authorization", basic(p.clients["post"].id, p.clients["post"].secret))}
	}),
	compareTokenRequest("TK-21 confidential client without secret", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant, "client_id", p.clients["svc"].id)}
	}),
	compareTokenRequest("other client_id than in the header", func(p *testProvider) request {
		return request{as: "svc", form: params("grant_type", machineGrant, "client_id", p.clients["conf"].id)}
	}),
	compareTokenRequest("broken Basic", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant), header: header("Authorization", "Basic !")}
	}),
	compareTokenRequest("Basic without a colon", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant), header: header("Authorization", "Basic YWJj")}
	}),
	compareTokenRequest("Bearer instead of Basic", func(p *testProvider) request {
		return request{form: params("grant_type", machineGrant), header: header("Authorization", "Bearer x")}
	}),
	compareTokenRequest("TK-28 secret instead of a key", func(p *testProvider) request {
		return request{form: params("grant_type", "authorization_code", "code", "x", "client_id", p.clients["pk"].id, "client_secret", "x")}
	}),
	compareTokenRequest("TK-14 secret in the URL", func(p *testProvider) request {
		return request{to: "?client_secret=" + p.clients["svc"].secret, form: params("grant_type", machineGrant, "client_id", p.clients["svc"].id)}
	}),
	compareTokenRequest("parameters in the URL", func(p *testProvider) request { return request{as: "svc", to: "?grant_type=" + machineGrant} }),
	compareTokenRequest("TK-15 GET", func(p *testProvider) request { return request{method: "GET", to: "?grant_type=" + machineGrant} }),
	compareTokenRequest("TK-15 JSON", func(p *testProvider) request {
		return request{as: "svc", body: `{"grant_type":"client_credentials"}`, media: "application/json"}
	}),
	compareTokenRequest("TK-15 multipart", func(p *testProvider) request {
		return request{as: "svc", body: "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--\r\n", media: "multipart/form-data; boundary=x"}
	}),
	compareTokenRequest("body of 1 MiB", func(p *testProvider) request {
		return request{as: "svc", form: params("grant_type", machineGrant, "x", strings.Repeat("a", 1<<20))}
	}),
}

// compareAssertion compares a client assertion. The code is invalid, so a valid assertion gets
// invalid_grant.
func compareAssertion(what string, of func(*testProvider) string, more ...string) comparison {
	return comparison{"assertion: " + what, func(p *testProvider) string {
		pairs := append([]string{"grant_type", "authorization_code", "code", "x", "redirect_uri", appReturn, "code_verifier", peerVerifier,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", of(p)}, more...)
		return p.token("", pairs...).String()
	}}
}

func withAssertion(claims func(*testProvider) jsonObject) func(*testProvider) string {
	return func(p *testProvider) string { return p.assertion("pk", claims(p)) }
}

var assertionQuestions = []comparison{
	compareAssertion("good", withAssertion(func(*testProvider) jsonObject { return nil })),
	compareAssertion("TK-24 used twice", func(p *testProvider) string {
		one := p.assertion("pk", jsonObject{"jti": "once"})
		p.token("", "grant_type", "authorization_code", "code", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", one)
		return one
	}),
	compareAssertion("TK-22 alg none", func(p *testProvider) string {
		return "eyJhbGciOiJub25lIn0." + strings.Split(p.assertion("pk", nil), ".")[1] + "."
	}),
	compareAssertion("TK-22 another key", func(p *testProvider) string {
		id := p.clients["pk"].id
		return sign(p, jose.ES256, p.clients["conf"].key, nil, jsonObject{"iss": id, "sub": id, "aud": p.base, "jti": "j", "exp": p.now().Unix() + 60}, nil)
	}),
	compareAssertion("TK-22 HS256", func(p *testProvider) string {
		id := p.clients["pk"].id
		return sign(p, jose.HS256, []byte(strings.Repeat("x", 32)), nil, jsonObject{"iss": id, "sub": id, "aud": p.base, "jti": "j", "exp": p.now().Unix() + 60}, nil)
	}),
	compareAssertion("TK-23 for another provider", withAssertion(func(*testProvider) jsonObject { return jsonObject{"aud": "https://other.example.test"} })),
	compareAssertion("TK-23 for the token endpoint", withAssertion(func(p *testProvider) jsonObject { return jsonObject{"aud": p.at("token_endpoint")} })),
	compareAssertion("TK-23 for the issuer and another", withAssertion(func(p *testProvider) jsonObject {
		return jsonObject{"aud": []string{p.base, "https://other.example.test"}}
	})),
	compareAssertion("TK-25 without exp", withAssertion(func(*testProvider) jsonObject { return jsonObject{"exp": nil} })),
	compareAssertion("TK-25 too old", withAssertion(func(p *testProvider) jsonObject { return jsonObject{"exp": p.now().Unix() - 120} })),
	compareAssertion("TK-25 good for a day", withAssertion(func(p *testProvider) jsonObject { return jsonObject{"exp": p.now().Unix() + 86400} })),
	compareAssertion("TK-25 not yet", withAssertion(func(p *testProvider) jsonObject { return jsonObject{"nbf": p.now().Unix() + 120} })),
	compareAssertion("without jti", withAssertion(func(*testProvider) jsonObject { return jsonObject{"jti": nil} })),
	compareAssertion("TK-26 sub of another client", withAssertion(func(p *testProvider) jsonObject { return jsonObject{"sub": p.clients["conf"].id} })),
	compareAssertion("without sub", withAssertion(func(*testProvider) jsonObject { return jsonObject{"sub": nil} })),
	compareAssertion("of an unknown client", withAssertion(func(*testProvider) jsonObject { return jsonObject{"sub": "cl_nobody", "iss": "cl_nobody"} })),
	compareAssertion("beside another client_id", withAssertion(func(*testProvider) jsonObject { return nil }), "client_id", "x"),
	compareAssertion("and a secret", withAssertion(func(*testProvider) jsonObject { return nil }), "client_secret", "x"),
	compareAssertion("that is no JWT", func(*testProvider) string { return "x" }),
	{"assertion: without its type", func(p *testProvider) string {
		return p.token("", "grant_type", "authorization_code", "code", "x", "client_assertion", p.assertion("pk", nil)).String()
	}},
	{"assertion: of an unknown type", func(p *testProvider) string {
		return p.token("", "grant_type", "authorization_code", "code", "x", "client_assertion_type", "bogus", "client_assertion", p.assertion("pk", nil)).String()
	}},
}

// compareRedemption compares the redemption of a new code of conf.
func compareRedemption(what, as string, pairs ...string) comparison {
	return comparison{"code: " + what, func(p *testProvider) string { return p.redeem(as, p.code("conf"), pairs...).String() }}
}

var codeQuestions = []comparison{
	compareRedemption("good", "conf"),
	compareRedemption("TK-03 of another client", "conf2"),
	compareRedemption("of another client, without secret", "spa"),
	compareRedemption("TK-04 other redirect_uri", "conf", "redirect_uri", appReturn+"/x"),
	compareRedemption("TK-04 no redirect_uri", "conf", "redirect_uri", ""),
	compareRedemption("TK-05 wrong verifier", "conf", "code_verifier", strings.Repeat("b", 64)),
	compareRedemption("TK-06 no verifier", "conf", "code_verifier", ""),
	compareRedemption("TK-08 verifier of 42", "conf", "code_verifier", strings.Repeat("b", 42)),
	compareRedemption("TK-08 verifier with a space", "conf", "code_verifier", strings.Repeat("b ", 30)),
	compareRedemption("no code", "conf", "code", ""),
	compareRedemption("TK-10 unknown code", "conf", "code", "x"),
	compareRedemption("a scope", "conf", "scope", "openid"),
	compareRedemption("unknown resource", "conf", "resource", "https://other.example.test"),
	{"code: with offline_access", func(p *testProvider) string { return p.redeem("conf", p.code("conf", offline...)).String() }},
	{"code: plain OAuth", func(p *testProvider) string {
		return p.redeem("conf", p.code("conf", "scope", "read", "nonce", "", "resource", resource)).String()
	}},
	{"code: TK-01 twice", func(p *testProvider) string {
		code := p.code("conf")
		p.redeem("conf", code)
		return p.redeem("conf", code).String()
	}},
	{"code: TK-01 userinfo after it came twice", func(p *testProvider) string {
		code := p.code("conf")
		a := p.redeem("conf", code)
		p.redeem("conf", code)
		return p.userinfo(bearer(a.text("access_token"))).String()
	}},
	{"code: TK-05 right after a wrong verifier", func(p *testProvider) string {
		code := p.code("conf")
		p.redeem("conf", code, "code_verifier", strings.Repeat("b", 64))
		return p.redeem("conf", code).String()
	}},
	{"code: TK-07 verifier without a challenge", func(p *testProvider) string {
		return p.redeem("loose", p.code("loose", "code_challenge", "", "code_challenge_method", "")).String()
	}},
	{"code: TK-09 too late", func(p *testProvider) string {
		code := p.code("conf")
		p.pass(2 * time.Minute)
		return p.redeem("conf", code).String()
	}},
	{"code: as a refresh token", func(p *testProvider) string {
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", p.code("conf")).String()
	}},
}

// compareRefresh compares the use of a new refresh token of conf.
func compareRefresh(what, as string, pairs ...string) comparison {
	return comparison{"refresh: " + what, func(p *testProvider) string {
		_, refresh, _ := p.redeemNewCode("conf", offline...)
		return p.token(as, append([]string{"grant_type", "refresh_token", "refresh_token", refresh}, pairs...)...).String()
	}}
}

var refreshQuestions = []comparison{
	compareRefresh("good", "conf"),
	compareRefresh("narrower scope", "conf", "scope", "openid"),
	compareRefresh("RT-04 wider scope", "conf", "scope", "openid offline_access email"),
	compareRefresh("unknown scope", "conf", "scope", "bogus"),
	compareRefresh("RT-03 of another client", "conf2"),
	compareRefresh("RT-03 of another client, without secret", "spa"),
	compareToken("refresh without a token", "conf", "grant_type", "refresh_token"),
	compareToken("refresh by nonsense", "conf", "grant_type", "refresh_token", "refresh_token", "x"),
	{"refresh: RT-01 again, after its successor, and the newest", func(p *testProvider) string {
		_, refresh, _ := p.redeemNewCode("conf", offline...)
		_, second, _ := p.tokens("conf", "grant_type", "refresh_token", "refresh_token", refresh)
		_, third, _ := p.tokens("conf", "grant_type", "refresh_token", "refresh_token", second)
		p.pass(time.Minute)
		first := p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
		return first + "; " + p.token("conf", "grant_type", "refresh_token", "refresh_token", third).String()
	}},
	{"refresh: again at once", func(p *testProvider) string {
		_, refresh, _ := p.redeemNewCode("conf", offline...)
		p.tokens("conf", "grant_type", "refresh_token", "refresh_token", refresh)
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
	}},
	{"refresh: RT-11 access token", func(p *testProvider) string {
		access, _, _ := p.redeemNewCode("conf")
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", access).String()
	}},
	{"refresh: of a client without the grant", func(p *testProvider) string {
		return p.token("svc", "grant_type", "refresh_token", "refresh_token", "x").String()
	}},
}

// device is what a device was told (RFC 8628 §3.2).
type device struct{ Device, User, Complete string }

func (p *testProvider) device(as string) device {
	p.Helper()
	a := p.send(request{to: p.at("device_authorization_endpoint"), as: as, form: params("scope", "openid")})
	if a.status != 200 {
		p.Fatalf("%s: device: %s", p.base, a)
	}
	return device{a.text("device_code"), a.text("user_code"), a.text("verification_uri_complete")}
}

func (p *testProvider) poll(as, code string) response {
	p.Helper()
	return p.token(as, "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", code)
}

// compareDeviceStart compares a device authorization request.
func compareDeviceStart(what, as string, pairs ...string) comparison {
	return comparison{"device: " + what, func(p *testProvider) string {
		return p.send(request{to: p.at("device_authorization_endpoint"), as: as, form: params(pairs...)}).String()
	}}
}

// compareDevicePoll compares a token request for a device code.
func compareDevicePoll(what string, do func(*testProvider, device) string) comparison {
	return comparison{"device: " + what, func(p *testProvider) string {
		d := p.device("dev")
		p.pass(6 * time.Second)
		return do(p, d)
	}}
}

var deviceQuestions = []comparison{
	compareDeviceStart("begins", "dev", "scope", "openid"),
	compareDeviceStart("begins, client without the grant", "conf", "scope", "openid"),
	compareDeviceStart("begins, unknown scope", "dev", "scope", "bogus"),
	compareDeviceStart("begins, scope twice", "dev", "scope", "openid", "scope", "openid"),
	compareDeviceStart("begins, without authentication", "", "scope", "openid"),
	compareDeviceStart("begins, unknown client", "", "client_id", "cl_nobody"),
	compareDeviceStart("begins, unknown resource", "dev", "scope", "openid", "resource", "https://other.example.test"),
	{"device: begins by GET", func(p *testProvider) string {
		return p.send(request{method: "GET", to: p.at("device_authorization_endpoint")}).String()
	}},
	compareDevicePoll("waits", func(p *testProvider, d device) string { return p.poll("dev", d.Device).String() }),
	compareDevicePoll("TK-33 polls too soon", func(p *testProvider, d device) string {
		p.poll("dev", d.Device)
		return p.poll("dev", d.Device).String()
	}),
	compareDevicePoll("TK-34 of another client", func(p *testProvider, d device) string { return p.poll("dev2", d.Device).String() }),
	compareDevicePoll("asks with the user's code", func(p *testProvider, d device) string { return p.poll("dev", d.User).String() }),
	compareDevicePoll("asks without a code", func(p *testProvider, d device) string { return p.poll("dev", "").String() }),
	compareDevicePoll("polls as a client without the grant", func(p *testProvider, d device) string { return p.poll("conf", d.Device).String() }),
	compareDevicePoll("TK-34 too late", func(p *testProvider, d device) string {
		p.pass(11 * time.Minute)
		return p.poll("dev", d.Device).String()
	}),
	compareDevicePoll("TK-34 the person said no", func(p *testProvider, d device) string {
		p.decide(d, "deny")
		return p.poll("dev", d.Device).String()
	}),
	compareDevicePoll("the person said yes", func(p *testProvider, d device) string {
		p.decide(d, "approve")
		return p.poll("dev", d.Device).String()
	}),
	compareDevicePoll("TK-34 yes, and once more", func(p *testProvider, d device) string {
		p.decide(d, "approve")
		p.poll("dev", d.Device)
		p.pass(6 * time.Second)
		return p.poll("dev", d.Device).String()
	}),
}
