package clients_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// proven asks the token endpoint as the machine, with proofs.
func proven(what string, of func(*party) []string) question {
	return question{"DPoP: " + what, func(p *party) string {
		h := header("DPoP", of(p)...)
		return p.send(asking{to: p.at("token_endpoint"), as: "svc", form: kv("grant_type", machineGrant), header: h}).String()
	}}
}

// proves is proven with one proof that says something else than usual.
func proves(what string, header said, claims func(*party) said) question {
	return proven(what, func(p *party) []string { return []string{p.proof("svc", "token_endpoint", header, claims(p))} })
}

func nothing(*party) said { return nil }

var proofQuestions = []question{
	proves("good", nil, nothing),
	proven("DP-01 nonsense", func(*party) []string { return []string{"x"} }),
	proven("DP-01 two proofs", func(p *party) []string {
		return []string{p.proof("svc", "token_endpoint", nil, nil), p.proof("svc", "token_endpoint", nil, nil)}
	}),
	proves("DP-01 no typ", said{"typ": nil}, nothing),
	proves("DP-01 other typ", said{"typ": "JWT"}, nothing),
	proves("DP-01 no jwk", said{"jwk": nil}, nothing),
	proves("DP-01 no jti", nil, func(*party) said { return said{"jti": nil} }),
	proves("DP-01 no iat", nil, func(*party) said { return said{"iat": nil} }),
	proves("DP-02 other method", nil, func(*party) said { return said{"htm": "GET"} }),
	proves("DP-02 other address", nil, func(p *party) said { return said{"htu": p.base + "/other"} }),
	proves("DP-02 htu with a query", nil, func(p *party) said { return said{"htu": p.at("token_endpoint") + "?a=b"} }),
	proves("DP-03 an hour old", nil, func(p *party) said { return said{"iat": p.now().Unix() - 3600} }),
	proves("DP-03 an hour ahead", nil, func(p *party) said { return said{"iat": p.now().Unix() + 3600} }),
	proves("DP-03 ten seconds old", nil, func(p *party) said { return said{"iat": p.now().Unix() - 10} }),
	proves("nonce that was not issued", nil, func(p *party) said { return said{"nonce": "x"} }),
	proven("DP-01 private key inside", func(p *party) []string {
		return []string{p.proof("svc", "token_endpoint", said{"jwk": jose.JSONWebKey{Key: p.clients["svc"].key}}, nil)}
	}),
	proven("DP-01 key of another", func(p *party) []string {
		return []string{p.proof("svc", "token_endpoint", said{"jwk": jose.JSONWebKey{Key: p.clients["conf"].key.Public()}}, nil)}
	}),
	proven("DP-04 twice", func(p *party) []string {
		one := p.proof("svc", "token_endpoint", nil, nil)
		p.send(asking{to: p.at("token_endpoint"), as: "svc", form: kv("grant_type", machineGrant), header: header("DPoP", one)})
		return []string{one}
	}),
	{"DPoP: DP-09 client that requires DPoP, without a proof", func(p *party) string { return p.redeem("dpop", p.code("dpop")).String() }},
	{"DPoP: DP-09 client that has to, with", func(p *party) string {
		return p.redeemBound("dpop", p.code("dpop"), "dpop").String()
	}},
	{"DPoP: DP-07 other key than the request named", func(p *party) string {
		return p.redeemBound("conf", p.code("conf", "dpop_jkt", challengeOf("x")), "conf").String()
	}},
	{"DPoP: RT-13 refresh of a public client by another key", func(p *party) string {
		a := p.redeemBound("spa", p.code("spa", offline...), "spa")
		return p.send(asking{to: p.at("token_endpoint"), as: "spa", form: kv("grant_type", "refresh_token", "refresh_token", a.text("refresh_token")),
			header: header("DPoP", p.proof("conf", "token_endpoint", nil, nil))}).String()
	}},
	{"DPoP: RT-13 refresh of a public client without", func(p *party) string {
		a := p.redeemBound("spa", p.code("spa", offline...), "spa")
		return p.token("spa", "grant_type", "refresh_token", "refresh_token", a.text("refresh_token")).String()
	}},
}

// redeemBound redeems a code with a proof by the key of a client.
func (p *party) redeemBound(as, code, key string) answer {
	p.Helper()
	return p.send(asking{to: p.at("token_endpoint"), as: as, header: header("DPoP", p.proof(key, "token_endpoint", nil, nil)),
		form: kv("grant_type", "authorization_code", "code", code, "code_verifier", peerVerifier, "redirect_uri", appReturn)})
}

// introspects, and revokes after it, make questions of what is sent to the endpoint.
func introspects(what, as string, token func(*party) string, more ...string) question {
	return question{"introspect: " + what, func(p *party) string {
		pairs := append([]string{}, more...)
		if v := token(p); v != "" {
			pairs = append(pairs, "token", v)
		}
		return p.send(asking{to: p.at("introspection_endpoint"), as: as, form: kv(pairs...)}).String()
	}}
}

func text(s string) func(*party) string { return func(*party) string { return s } }

func accessOf(as string) func(*party) string {
	return func(p *party) string { access, _, _ := p.redeemed(as); return access }
}

func refreshOf(as string) func(*party) string {
	return func(p *party) string { _, refresh, _ := p.redeemed(as, offline...); return refresh }
}

var introspectQuestions = []question{
	introspects("nonsense", "conf", text("x")),
	introspects("nonsense, with a hint", "conf", text("x"), "token_type_hint", "bogus"),
	introspects("no token", "conf", text("")),
	introspects("token twice", "conf", text("x"), "token", "y"),
	introspects("without authentication", "", text("x")),
	introspects("public client", "spa", accessOf("spa")),
	introspects("access token", "conf", accessOf("conf")),
	introspects("refresh token", "conf", refreshOf("conf")),
	introspects("refresh token, as an access token", "conf", refreshOf("conf"), "token_type_hint", "access_token"),
	introspects("refresh token of another client", "conf2", refreshOf("conf")),
	introspects("ID Token", "conf", func(p *party) string { _, _, id := p.redeemed("conf"); return id }),
	introspects("code", "conf", func(p *party) string { return p.code("conf") }),
	introspects("wrong secret", "", text("x"), "client_id", "cl_nobody", "client_secret", "x"),
	introspects("revoked", "conf", func(p *party) string {
		access := accessOf("conf")(p)
		p.send(asking{to: p.at("revocation_endpoint"), as: "conf", form: kv("token", access)})
		return access
	}),
	introspects("too late", "conf", func(p *party) string {
		access := accessOf("conf")(p)
		p.pass(time.Hour)
		return access
	}),
	{"introspect: GET", func(p *party) string {
		return p.send(asking{method: "GET", to: p.at("introspection_endpoint") + "?token=x"}).String()
	}},
	{"introspect: JSON", func(p *party) string {
		return p.send(asking{to: p.at("introspection_endpoint"), as: "conf", body: "{}", media: "application/json"}).String()
	}},
}

func revokes(what, as string, token func(*party) string, more ...string) question {
	return question{"revoke: " + what, func(p *party) string {
		pairs := append([]string{}, more...)
		if v := token(p); v != "" {
			pairs = append(pairs, "token", v)
		}
		return p.send(asking{to: p.at("revocation_endpoint"), as: as, form: kv(pairs...)}).String()
	}}
}

var revokeQuestions = []question{
	revokes("nonsense", "conf", text("x")),
	revokes("nonsense, with an unknown hint", "conf", text("x"), "token_type_hint", "bogus"),
	revokes("no token", "conf", text("")),
	revokes("token twice", "conf", text("x"), "token", "y"),
	revokes("without authentication", "", text("x")),
	revokes("wrong secret", "", text("x"), "client_id", "cl_nobody", "client_secret", "x"),
	revokes("public client", "spa", text("x")),
	revokes("access token", "conf", accessOf("conf")),
	revokes("refresh token", "conf", refreshOf("conf")),
	revokes("token of another client", "conf2", refreshOf("conf")),
	{"revoke: what a stranger's attempt leaves", func(p *party) string {
		refresh := refreshOf("conf")(p)
		p.send(asking{to: p.at("revocation_endpoint"), as: "conf2", form: kv("token", refresh)})
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
	}},
	{"revoke: refresh token, and refresh", func(p *party) string {
		refresh := refreshOf("conf")(p)
		p.send(asking{to: p.at("revocation_endpoint"), as: "conf", form: kv("token", refresh)})
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
	}},
	{"revoke: GET", func(p *party) string {
		return p.send(asking{method: "GET", to: p.at("revocation_endpoint") + "?token=x"}).String()
	}},
}

func bearer(token string) http.Header { return header("Authorization", "Bearer "+token) }

func (p *party) userinfo(h http.Header) answer {
	p.Helper()
	return p.send(asking{method: "GET", to: p.at("userinfo_endpoint"), header: h})
}

func shows(what string, of func(*party) http.Header) question {
	return question{"userinfo: " + what, func(p *party) string { return p.userinfo(of(p)).String() }}
}

// boundUserinfo shows a bound token with a proof.
func boundUserinfo(p *party, claims said, scheme string) http.Header {
	a := p.redeemBound("dpop", p.code("dpop"), "dpop")
	sum := sha256.Sum256([]byte(a.text("access_token")))
	usual := over(said{"htm": "GET", "ath": base64.RawURLEncoding.EncodeToString(sum[:])}, claims)
	return http.Header{"Authorization": {scheme + " " + a.text("access_token")}, "Dpop": {p.proof("dpop", "userinfo_endpoint", nil, usual)}}
}

var userinfoQuestions = []question{
	shows("good", func(p *party) http.Header { return bearer(accessOf("conf")(p)) }),
	shows("no token", func(*party) http.Header { return nil }),
	shows("nonsense", func(*party) http.Header { return bearer("x") }),
	shows("Basic", func(p *party) http.Header { return header("Authorization", "Basic YTpi") }),
	shows("scheme alone", func(p *party) http.Header { return header("Authorization", "Bearer") }),
	shows("RT-11 refresh token", func(p *party) http.Header { return bearer(refreshOf("conf")(p)) }),
	shows("JV-10 ID Token", func(p *party) http.Header { _, _, id := p.redeemed("conf"); return bearer(id) }),
	shows("token of a machine", func(p *party) http.Header { a, _, _ := p.tokens("svc", "grant_type", machineGrant); return bearer(a) }),
	shows("too late", func(p *party) http.Header {
		access := accessOf("conf")(p)
		p.pass(time.Hour)
		return bearer(access)
	}),
	shows("DPoP", func(p *party) http.Header { return boundUserinfo(p, nil, "DPoP") }),
	shows("DP-05 DPoP without ath", func(p *party) http.Header { return boundUserinfo(p, said{"ath": nil}, "DPoP") }),
	shows("DP-02 DPoP, other method", func(p *party) http.Header { return boundUserinfo(p, said{"htm": "POST"}, "DPoP") }),
	shows("DP-06 bound token as Bearer", func(p *party) http.Header { return boundUserinfo(p, nil, "Bearer") }),
	shows("DP-06 free token as DPoP", func(p *party) http.Header {
		access := accessOf("conf")(p)
		sum := sha256.Sum256([]byte(access))
		return http.Header{"Authorization": {"DPoP " + access}, "Dpop": {p.proof("conf", "userinfo_endpoint", nil, said{"htm": "GET", "ath": base64.RawURLEncoding.EncodeToString(sum[:])})}}
	}),
	shows("DPoP without a proof", func(p *party) http.Header {
		h := boundUserinfo(p, nil, "DPoP")
		h.Del("DPoP")
		return h
	}),
	{"userinfo: POST", func(p *party) string {
		return p.send(asking{to: p.at("userinfo_endpoint"), header: bearer(accessOf("conf")(p))}).String()
	}},
	{"userinfo: token in the form", func(p *party) string {
		return p.send(asking{to: p.at("userinfo_endpoint"), form: kv("access_token", accessOf("conf")(p))}).String()
	}},
	{"userinfo: token in header and form", func(p *party) string {
		access := accessOf("conf")(p)
		return p.send(asking{to: p.at("userinfo_endpoint"), form: kv("access_token", access), header: bearer(access)}).String()
	}},
	{"userinfo: token in the URL", func(p *party) string {
		return p.send(asking{method: "GET", to: p.at("userinfo_endpoint") + "?access_token=" + accessOf("conf")(p)}).String()
	}},
	{"userinfo: PUT", func(p *party) string {
		return fmt.Sprint(p.send(asking{method: "PUT", to: p.at("userinfo_endpoint")}).status)
	}},
	{"userinfo: AZ-40 what scope email adds", func(p *party) string {
		access, _, _ := p.redeemed("conf", "scope", "openid email")
		return strings.TrimSpace(p.userinfo(bearer(access)).String())
	}},
}
