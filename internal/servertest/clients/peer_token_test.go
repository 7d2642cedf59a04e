package clients_test

import (
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// tells makes a question of a request to the token endpoint.
func tells(what, as string, pairs ...string) question {
	return question{"token: " + what, func(p *party) string { return p.token(as, pairs...).String() }}
}

// sends makes a question of any request to the token endpoint.
func sends(what string, q func(*party) asking) question {
	return question{"token: " + what, func(p *party) string {
		v := q(p)
		v.to = p.at("token_endpoint") + v.to
		return p.send(v).String()
	}}
}

const machineGrant = "client_credentials"

var tokenQuestions = []question{
	tells("machine", "svc", "grant_type", machineGrant, "scope", "read"),
	tells("machine without scope", "svc", "grant_type", machineGrant),
	tells("machine with unknown scope", "svc", "grant_type", machineGrant, "scope", "bogus"),
	tells("machine with scope openid", "svc", "grant_type", machineGrant, "scope", "openid"),
	tells("machine with a broken scope", "svc", "grant_type", machineGrant, "scope", `a"b`),
	tells("machine for a resource", "svc", "grant_type", machineGrant, "scope", "read", "resource", resource),
	tells("machine for an unknown resource", "svc", "grant_type", machineGrant, "resource", "https://other.example.test"),
	tells("machine for a relative resource", "svc", "grant_type", machineGrant, "resource", "x"),
	tells("no grant_type", "svc"),
	tells("TK-38 unknown grant_type", "svc", "grant_type", "bogus"),
	tells("TK-38 empty grant_type", "svc", "grant_type", ""),
	tells("TK-38 grant_type of 10 KiB", "svc", "grant_type", strings.Repeat("a", 10<<10)),
	tells("TK-17 password", "conf", "grant_type", "password", "username", alice, "password", "x"),
	tells("implicit", "conf", "grant_type", "implicit"),
	tells("TK-18 grant that the client may not use", "conf", "grant_type", machineGrant),
	tells("TK-18 code for a machine", "svc", "grant_type", "authorization_code", "code", "x", "redirect_uri", appReturn),
	tells("TK-19 public client as a machine", "spa", "grant_type", machineGrant),
	tells("TK-16 grant_type twice", "svc", "grant_type", machineGrant, "grant_type", machineGrant),
	tells("TK-16 scope twice", "svc", "grant_type", machineGrant, "scope", "read", "scope", "read"),
	tells("TK-16 client_id twice", "", "grant_type", machineGrant, "client_id", "a", "client_id", "b"),
	tells("token exchange without a token", "conf", "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
	tells("without authentication", "", "grant_type", machineGrant),
	tells("unknown client", "", "grant_type", machineGrant, "client_id", "cl_nobody", "client_secret", "x"),
	sends("TK-11 wrong secret in the header", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant), header: header("Authorization", basic(p.clients["svc"].id, "x"))}
	}),
	sends("unknown client in the header", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant), header: header("Authorization", basic("cl_nobody", "x"))}
	}),
	sends("TK-11 wrong secret in the form", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant, "client_id", p.clients["post"].id, "client_secret", "x")}
	}),
	sends("TK-13 secret in header and form", func(p *party) asking {
		return asking{as: "svc", form: kv("grant_type", machineGrant, "client_id", p.clients["svc"].id, "client_secret", p.clients["svc"].secret)}
	}),
	sends("secret in the form, registered for the header", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant, "client_id", p.clients["svc"].id, "client_secret", p.clients["svc"].secret)}
	}),
	sends("secret in the header, registered for the form", func(p *party) asking {
		return asking{form: kv("grant_type", "authorization_code", "code", "x"), header: header("Authorization", basic(p.clients["post"].id, p.clients["post"].secret))}
	}),
	sends("TK-21 confidential client without secret", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant, "client_id", p.clients["svc"].id)}
	}),
	sends("other client_id than in the header", func(p *party) asking {
		return asking{as: "svc", form: kv("grant_type", machineGrant, "client_id", p.clients["conf"].id)}
	}),
	sends("broken Basic", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant), header: header("Authorization", "Basic !")}
	}),
	sends("Basic without a colon", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant), header: header("Authorization", "Basic YWJj")}
	}),
	sends("Bearer instead of Basic", func(p *party) asking {
		return asking{form: kv("grant_type", machineGrant), header: header("Authorization", "Bearer x")}
	}),
	sends("TK-28 secret instead of a key", func(p *party) asking {
		return asking{form: kv("grant_type", "authorization_code", "code", "x", "client_id", p.clients["pk"].id, "client_secret", "x")}
	}),
	sends("TK-14 secret in the URL", func(p *party) asking {
		return asking{to: "?client_secret=" + p.clients["svc"].secret, form: kv("grant_type", machineGrant, "client_id", p.clients["svc"].id)}
	}),
	sends("parameters in the URL", func(p *party) asking { return asking{as: "svc", to: "?grant_type=" + machineGrant} }),
	sends("TK-15 GET", func(p *party) asking { return asking{method: "GET", to: "?grant_type=" + machineGrant} }),
	sends("TK-15 JSON", func(p *party) asking {
		return asking{as: "svc", body: `{"grant_type":"client_credentials"}`, media: "application/json"}
	}),
	sends("TK-15 multipart", func(p *party) asking {
		return asking{as: "svc", body: "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--\r\n", media: "multipart/form-data; boundary=x"}
	}),
	sends("body of 1 MiB", func(p *party) asking {
		return asking{as: "svc", form: kv("grant_type", machineGrant, "x", strings.Repeat("a", 1<<20))}
	}),
}

// asserted makes a question of a client assertion; the code with it is good for nothing,
// so a good one is answered by invalid_grant.
func asserted(what string, of func(*party) string, more ...string) question {
	return question{"assertion: " + what, func(p *party) string {
		pairs := append([]string{"grant_type", "authorization_code", "code", "x", "redirect_uri", appReturn, "code_verifier", peerVerifier,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", of(p)}, more...)
		return p.token("", pairs...).String()
	}}
}

func asserting(claims func(*party) said) func(*party) string {
	return func(p *party) string { return p.assertion("pk", claims(p)) }
}

var assertionQuestions = []question{
	asserted("good", asserting(func(*party) said { return nil })),
	asserted("TK-24 used twice", func(p *party) string {
		one := p.assertion("pk", said{"jti": "once"})
		p.token("", "grant_type", "authorization_code", "code", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", one)
		return one
	}),
	asserted("TK-22 alg none", func(p *party) string {
		return "eyJhbGciOiJub25lIn0." + strings.Split(p.assertion("pk", nil), ".")[1] + "."
	}),
	asserted("TK-22 another key", func(p *party) string {
		id := p.clients["pk"].id
		return sign(p, jose.ES256, p.clients["conf"].key, nil, said{"iss": id, "sub": id, "aud": p.base, "jti": "j", "exp": p.now().Unix() + 60}, nil)
	}),
	asserted("TK-22 HS256", func(p *party) string {
		id := p.clients["pk"].id
		return sign(p, jose.HS256, []byte(strings.Repeat("x", 32)), nil, said{"iss": id, "sub": id, "aud": p.base, "jti": "j", "exp": p.now().Unix() + 60}, nil)
	}),
	asserted("TK-23 for another provider", asserting(func(*party) said { return said{"aud": "https://other.example.test"} })),
	asserted("TK-23 for the token endpoint", asserting(func(p *party) said { return said{"aud": p.at("token_endpoint")} })),
	asserted("TK-23 for the issuer and another", asserting(func(p *party) said { return said{"aud": []string{p.base, "https://other.example.test"}} })),
	asserted("TK-25 without exp", asserting(func(*party) said { return said{"exp": nil} })),
	asserted("TK-25 too old", asserting(func(p *party) said { return said{"exp": p.now().Unix() - 120} })),
	asserted("TK-25 good for a day", asserting(func(p *party) said { return said{"exp": p.now().Unix() + 86400} })),
	asserted("TK-25 not yet", asserting(func(p *party) said { return said{"nbf": p.now().Unix() + 120} })),
	asserted("without jti", asserting(func(*party) said { return said{"jti": nil} })),
	asserted("TK-26 sub of another client", asserting(func(p *party) said { return said{"sub": p.clients["conf"].id} })),
	asserted("without sub", asserting(func(*party) said { return said{"sub": nil} })),
	asserted("of an unknown client", asserting(func(*party) said { return said{"sub": "cl_nobody", "iss": "cl_nobody"} })),
	asserted("beside another client_id", asserting(func(*party) said { return nil }), "client_id", "x"),
	asserted("and a secret", asserting(func(*party) said { return nil }), "client_secret", "x"),
	asserted("that is no JWT", func(*party) string { return "x" }),
	{"assertion: without its type", func(p *party) string {
		return p.token("", "grant_type", "authorization_code", "code", "x", "client_assertion", p.assertion("pk", nil)).String()
	}},
	{"assertion: of an unknown type", func(p *party) string {
		return p.token("", "grant_type", "authorization_code", "code", "x", "client_assertion_type", "bogus", "client_assertion", p.assertion("pk", nil)).String()
	}},
}

// redeems makes a question of the redemption of a new code of conf.
func redeems(what, as string, pairs ...string) question {
	return question{"code: " + what, func(p *party) string { return p.redeem(as, p.code("conf"), pairs...).String() }}
}

var codeQuestions = []question{
	redeems("good", "conf"),
	redeems("TK-03 of another client", "conf2"),
	redeems("of another client, without secret", "spa"),
	redeems("TK-04 other redirect_uri", "conf", "redirect_uri", appReturn+"/x"),
	redeems("TK-04 no redirect_uri", "conf", "redirect_uri", ""),
	redeems("TK-05 wrong verifier", "conf", "code_verifier", strings.Repeat("b", 64)),
	redeems("TK-06 no verifier", "conf", "code_verifier", ""),
	redeems("TK-08 verifier of 42", "conf", "code_verifier", strings.Repeat("b", 42)),
	redeems("TK-08 verifier with a space", "conf", "code_verifier", strings.Repeat("b ", 30)),
	redeems("no code", "conf", "code", ""),
	redeems("TK-10 unknown code", "conf", "code", "x"),
	redeems("a scope", "conf", "scope", "openid"),
	redeems("unknown resource", "conf", "resource", "https://other.example.test"),
	{"code: with offline_access", func(p *party) string { return p.redeem("conf", p.code("conf", offline...)).String() }},
	{"code: plain OAuth", func(p *party) string {
		return p.redeem("conf", p.code("conf", "scope", "read", "nonce", "", "resource", resource)).String()
	}},
	{"code: TK-01 twice", func(p *party) string {
		code := p.code("conf")
		p.redeem("conf", code)
		return p.redeem("conf", code).String()
	}},
	{"code: TK-01 userinfo after it came twice", func(p *party) string {
		code := p.code("conf")
		a := p.redeem("conf", code)
		p.redeem("conf", code)
		return p.userinfo(bearer(a.text("access_token"))).String()
	}},
	{"code: TK-05 right after a wrong verifier", func(p *party) string {
		code := p.code("conf")
		p.redeem("conf", code, "code_verifier", strings.Repeat("b", 64))
		return p.redeem("conf", code).String()
	}},
	{"code: TK-07 verifier without a challenge", func(p *party) string {
		return p.redeem("loose", p.code("loose", "code_challenge", "", "code_challenge_method", "")).String()
	}},
	{"code: TK-09 too late", func(p *party) string {
		code := p.code("conf")
		p.pass(2 * time.Minute)
		return p.redeem("conf", code).String()
	}},
	{"code: as a refresh token", func(p *party) string {
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", p.code("conf")).String()
	}},
}

// refreshes makes a question of a new refresh token of conf.
func refreshes(what, as string, pairs ...string) question {
	return question{"refresh: " + what, func(p *party) string {
		_, refresh, _ := p.redeemed("conf", offline...)
		return p.token(as, append([]string{"grant_type", "refresh_token", "refresh_token", refresh}, pairs...)...).String()
	}}
}

var refreshQuestions = []question{
	refreshes("good", "conf"),
	refreshes("narrower scope", "conf", "scope", "openid"),
	refreshes("RT-04 wider scope", "conf", "scope", "openid offline_access email"),
	refreshes("unknown scope", "conf", "scope", "bogus"),
	refreshes("RT-03 of another client", "conf2"),
	refreshes("RT-03 of another client, without secret", "spa"),
	tells("refresh without a token", "conf", "grant_type", "refresh_token"),
	tells("refresh by nonsense", "conf", "grant_type", "refresh_token", "refresh_token", "x"),
	{"refresh: RT-01 again, after its successor, and the newest", func(p *party) string {
		_, refresh, _ := p.redeemed("conf", offline...)
		_, second, _ := p.tokens("conf", "grant_type", "refresh_token", "refresh_token", refresh)
		_, third, _ := p.tokens("conf", "grant_type", "refresh_token", "refresh_token", second)
		p.pass(time.Minute)
		first := p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
		return first + "; " + p.token("conf", "grant_type", "refresh_token", "refresh_token", third).String()
	}},
	{"refresh: again at once", func(p *party) string {
		_, refresh, _ := p.redeemed("conf", offline...)
		p.tokens("conf", "grant_type", "refresh_token", "refresh_token", refresh)
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
	}},
	{"refresh: RT-11 access token", func(p *party) string {
		access, _, _ := p.redeemed("conf")
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", access).String()
	}},
	{"refresh: of a client without the grant", func(p *party) string {
		return p.token("svc", "grant_type", "refresh_token", "refresh_token", "x").String()
	}},
}

// device is what a device was told (RFC 8628 §3.2).
type device struct{ Device, User, Complete string }

func (p *party) device(as string) device {
	p.Helper()
	a := p.send(asking{to: p.at("device_authorization_endpoint"), as: as, form: kv("scope", "openid")})
	if a.status != 200 {
		p.Fatalf("%s: device: %s", p.base, a)
	}
	return device{a.text("device_code"), a.text("user_code"), a.text("verification_uri_complete")}
}

func (p *party) poll(as, code string) answer {
	p.Helper()
	return p.token(as, "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", code)
}

// starts makes a question of the first request of a device, polls of a later one.
func starts(what, as string, pairs ...string) question {
	return question{"device: " + what, func(p *party) string {
		return p.send(asking{to: p.at("device_authorization_endpoint"), as: as, form: kv(pairs...)}).String()
	}}
}

func polls(what string, do func(*party, device) string) question {
	return question{"device: " + what, func(p *party) string {
		d := p.device("dev")
		p.pass(6 * time.Second)
		return do(p, d)
	}}
}

var deviceQuestions = []question{
	starts("begins", "dev", "scope", "openid"),
	starts("begins, client without the grant", "conf", "scope", "openid"),
	starts("begins, unknown scope", "dev", "scope", "bogus"),
	starts("begins, scope twice", "dev", "scope", "openid", "scope", "openid"),
	starts("begins, without authentication", "", "scope", "openid"),
	starts("begins, unknown client", "", "client_id", "cl_nobody"),
	starts("begins, unknown resource", "dev", "scope", "openid", "resource", "https://other.example.test"),
	{"device: begins by GET", func(p *party) string {
		return p.send(asking{method: "GET", to: p.at("device_authorization_endpoint")}).String()
	}},
	polls("waits", func(p *party, d device) string { return p.poll("dev", d.Device).String() }),
	polls("TK-33 polls too soon", func(p *party, d device) string {
		p.poll("dev", d.Device)
		return p.poll("dev", d.Device).String()
	}),
	polls("TK-34 of another client", func(p *party, d device) string { return p.poll("dev2", d.Device).String() }),
	polls("asks with the user's code", func(p *party, d device) string { return p.poll("dev", d.User).String() }),
	polls("asks without a code", func(p *party, d device) string { return p.poll("dev", "").String() }),
	polls("polls as a client without the grant", func(p *party, d device) string { return p.poll("conf", d.Device).String() }),
	polls("TK-34 too late", func(p *party, d device) string {
		p.pass(11 * time.Minute)
		return p.poll("dev", d.Device).String()
	}),
	polls("TK-34 the person said no", func(p *party, d device) string {
		p.decide(d, "deny")
		return p.poll("dev", d.Device).String()
	}),
	polls("the person said yes", func(p *party, d device) string {
		p.decide(d, "approve")
		return p.poll("dev", d.Device).String()
	}),
	polls("TK-34 yes, and once more", func(p *party, d device) string {
		p.decide(d, "approve")
		p.poll("dev", d.Device)
		p.pass(6 * time.Second)
		return p.poll("dev", d.Device).String()
	}),
}
