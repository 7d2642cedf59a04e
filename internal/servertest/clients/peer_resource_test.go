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

// compareProofs compares a token request of the machine client with the proofs.
func compareProofs(what string, of func(*testProvider) []string) comparison {
	return comparison{"DPoP: " + what, func(p *testProvider) string {
		h := header("DPoP", of(p)...)
		return p.send(request{to: p.at("token_endpoint"), as: "svc", form: params("grant_type", machineGrant), header: h}).String()
	}}
}

// compareProof compares a token request with one changed proof.
func compareProof(what string, header jsonObject, claims func(*testProvider) jsonObject) comparison {
	return compareProofs(what, func(p *testProvider) []string { return []string{p.proof("svc", "token_endpoint", header, claims(p))} })
}

func noChanges(*testProvider) jsonObject { return nil }

var proofQuestions = []comparison{
	compareProof("good", nil, noChanges),
	compareProofs("DP-01 nonsense", func(*testProvider) []string { return []string{"x"} }),
	compareProofs("DP-01 two proofs", func(p *testProvider) []string {
		return []string{p.proof("svc", "token_endpoint", nil, nil), p.proof("svc", "token_endpoint", nil, nil)}
	}),
	compareProof("DP-01 no typ", jsonObject{"typ": nil}, noChanges),
	compareProof("DP-01 other typ", jsonObject{"typ": "JWT"}, noChanges),
	compareProof("DP-01 no jwk", jsonObject{"jwk": nil}, noChanges),
	compareProof("DP-01 no jti", nil, func(*testProvider) jsonObject { return jsonObject{"jti": nil} }),
	compareProof("DP-01 no iat", nil, func(*testProvider) jsonObject { return jsonObject{"iat": nil} }),
	compareProof("DP-02 other method", nil, func(*testProvider) jsonObject { return jsonObject{"htm": "GET"} }),
	compareProof("DP-02 other address", nil, func(p *testProvider) jsonObject { return jsonObject{"htu": p.base + "/other"} }),
	compareProof("DP-02 htu with a query", nil, func(p *testProvider) jsonObject { return jsonObject{"htu": p.at("token_endpoint") + "?a=b"} }),
	compareProof("DP-03 an hour old", nil, func(p *testProvider) jsonObject { return jsonObject{"iat": p.now().Unix() - 3600} }),
	compareProof("DP-03 an hour ahead", nil, func(p *testProvider) jsonObject { return jsonObject{"iat": p.now().Unix() + 3600} }),
	compareProof("DP-03 ten seconds old", nil, func(p *testProvider) jsonObject { return jsonObject{"iat": p.now().Unix() - 10} }),
	compareProof("nonce that was not issued", nil, func(p *testProvider) jsonObject { return jsonObject{"nonce": "x"} }),
	compareProofs("DP-01 private key inside", func(p *testProvider) []string {
		return []string{p.proof("svc", "token_endpoint", jsonObject{"jwk": jose.JSONWebKey{Key: p.clients["svc"].key}}, nil)}
	}),
	compareProofs("DP-01 key of another", func(p *testProvider) []string {
		return []string{p.proof("svc", "token_endpoint", jsonObject{"jwk": jose.JSONWebKey{Key: p.clients["conf"].key.Public()}}, nil)}
	}),
	compareProofs("DP-04 twice", func(p *testProvider) []string {
		one := p.proof("svc", "token_endpoint", nil, nil)
		p.send(request{to: p.at("token_endpoint"), as: "svc", form: params("grant_type", machineGrant), header: header("DPoP", one)})
		return []string{one}
	}),
	{"DPoP: DP-09 client that requires DPoP, without a proof", func(p *testProvider) string { return p.redeem("dpop", p.code("dpop")).String() }},
	{"DPoP: DP-09 client that has to, with", func(p *testProvider) string {
		return p.redeemBound("dpop", p.code("dpop"), "dpop").String()
	}},
	{"DPoP: DP-07 other key than the request named", func(p *testProvider) string {
		return p.redeemBound("conf", p.code("conf", "dpop_jkt", challengeOf("x")), "conf").String()
	}},
	{"DPoP: RT-13 refresh of a public client by another key", func(p *testProvider) string {
		a := p.redeemBound("spa", p.code("spa", offline...), "spa")
		return p.send(request{to: p.at("token_endpoint"), as: "spa", form: params("grant_type", "refresh_token", "refresh_token", a.text("refresh_token")),
			header: header("DPoP", p.proof("conf", "token_endpoint", nil, nil))}).String()
	}},
	{"DPoP: RT-13 refresh of a public client without", func(p *testProvider) string {
		a := p.redeemBound("spa", p.code("spa", offline...), "spa")
		return p.token("spa", "grant_type", "refresh_token", "refresh_token", a.text("refresh_token")).String()
	}},
}

// redeemBound redeems a code with a proof by the key of a client.
func (p *testProvider) redeemBound(as, code, key string) response {
	p.Helper()
	return p.send(request{to: p.at("token_endpoint"), as: as, header: header("DPoP", p.proof(key, "token_endpoint", nil, nil)),
		form: params("grant_type", "authorization_code", "code", code, "code_verifier", peerVerifier, "redirect_uri", appReturn)})
}

// compareIntrospection compares an introspection request.
func compareIntrospection(what, as string, token func(*testProvider) string, more ...string) comparison {
	return comparison{"introspect: " + what, func(p *testProvider) string {
		pairs := append([]string{}, more...)
		if v := token(p); v != "" {
			pairs = append(pairs, "token", v)
		}
		return p.send(request{to: p.at("introspection_endpoint"), as: as, form: params(pairs...)}).String()
	}}
}

func text(s string) func(*testProvider) string { return func(*testProvider) string { return s } }

func accessOf(as string) func(*testProvider) string {
	return func(p *testProvider) string { access, _, _ := p.redeemNewCode(as); return access }
}

func refreshOf(as string) func(*testProvider) string {
	return func(p *testProvider) string { _, refresh, _ := p.redeemNewCode(as, offline...); return refresh }
}

var introspectQuestions = []comparison{
	compareIntrospection("nonsense", "conf", text("x")),
	compareIntrospection("nonsense, with a hint", "conf", text("x"), "token_type_hint", "bogus"),
	compareIntrospection("no token", "conf", text("")),
	compareIntrospection("token twice", "conf", text("x"), "token", "y"),
	compareIntrospection("without authentication", "", text("x")),
	compareIntrospection("public client", "spa", accessOf("spa")),
	compareIntrospection("access token", "conf", accessOf("conf")),
	compareIntrospection("refresh token", "conf", refreshOf("conf")),
	compareIntrospection("refresh token, as an access token", "conf", refreshOf("conf"), "token_type_hint", "access_token"),
	compareIntrospection("refresh token of another client", "conf2", refreshOf("conf")),
	compareIntrospection("ID Token", "conf", func(p *testProvider) string { _, _, id := p.redeemNewCode("conf"); return id }),
	compareIntrospection("code", "conf", func(p *testProvider) string { return p.code("conf") }),
	compareIntrospection("wrong secret", "", text("x"), "client_id", "cl_nobody", "client_secret", "x"),
	compareIntrospection("revoked", "conf", func(p *testProvider) string {
		access := accessOf("conf")(p)
		p.send(request{to: p.at("revocation_endpoint"), as: "conf", form: params("token", access)})
		return access
	}),
	compareIntrospection("too late", "conf", func(p *testProvider) string {
		access := accessOf("conf")(p)
		p.pass(time.Hour)
		return access
	}),
	{"introspect: GET", func(p *testProvider) string {
		return p.send(request{method: "GET", to: p.at("introspection_endpoint") + "?token=x"}).String()
	}},
	{"introspect: JSON", func(p *testProvider) string {
		return p.send(request{to: p.at("introspection_endpoint"), as: "conf", body: "{}", media: "application/json"}).String()
	}},
}

// compareRevocation compares a revocation request.
func compareRevocation(what, as string, token func(*testProvider) string, more ...string) comparison {
	return comparison{"revoke: " + what, func(p *testProvider) string {
		pairs := append([]string{}, more...)
		if v := token(p); v != "" {
			pairs = append(pairs, "token", v)
		}
		return p.send(request{to: p.at("revocation_endpoint"), as: as, form: params(pairs...)}).String()
	}}
}

var revokeQuestions = []comparison{
	compareRevocation("nonsense", "conf", text("x")),
	compareRevocation("nonsense, with an unknown hint", "conf", text("x"), "token_type_hint", "bogus"),
	compareRevocation("no token", "conf", text("")),
	compareRevocation("token twice", "conf", text("x"), "token", "y"),
	compareRevocation("without authentication", "", text("x")),
	compareRevocation("wrong secret", "", text("x"), "client_id", "cl_nobody", "client_secret", "x"),
	compareRevocation("public client", "spa", text("x")),
	compareRevocation("access token", "conf", accessOf("conf")),
	compareRevocation("refresh token", "conf", refreshOf("conf")),
	compareRevocation("token of another client", "conf2", refreshOf("conf")),
	{"revoke: what a stranger's attempt leaves", func(p *testProvider) string {
		refresh := refreshOf("conf")(p)
		p.send(request{to: p.at("revocation_endpoint"), as: "conf2", form: params("token", refresh)})
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
	}},
	{"revoke: refresh token, and refresh", func(p *testProvider) string {
		refresh := refreshOf("conf")(p)
		p.send(request{to: p.at("revocation_endpoint"), as: "conf", form: params("token", refresh)})
		return p.token("conf", "grant_type", "refresh_token", "refresh_token", refresh).String()
	}},
	{"revoke: GET", func(p *testProvider) string {
		return p.send(request{method: "GET", to: p.at("revocation_endpoint") + "?token=x"}).String()
	}},
}

func bearer(token string) http.Header { return header("Authorization", "Bearer "+token) }

func (p *testProvider) userinfo(h http.Header) response {
	p.Helper()
	return p.send(request{method: "GET", to: p.at("userinfo_endpoint"), header: h})
}

func compareUserInfo(what string, of func(*testProvider) http.Header) comparison {
	return comparison{"userinfo: " + what, func(p *testProvider) string { return p.userinfo(of(p)).String() }}
}

// boundUserinfo returns the headers of a request with a bound token and its proof.
func boundUserinfo(p *testProvider, claims jsonObject, scheme string) http.Header {
	a := p.redeemBound("dpop", p.code("dpop"), "dpop")
	sum := sha256.Sum256([]byte(a.text("access_token")))
	usual := withChanges(jsonObject{"htm": "GET", "ath": base64.RawURLEncoding.EncodeToString(sum[:])}, claims)
	return http.Header{"Authorization": {scheme + " " + a.text("access_token")}, "Dpop": {p.proof("dpop", "userinfo_endpoint", nil, usual)}}
}

var userinfoQuestions = []comparison{
	compareUserInfo("good", func(p *testProvider) http.Header { return bearer(accessOf("conf")(p)) }),
	compareUserInfo("no token", func(*testProvider) http.Header { return nil }),
	compareUserInfo("nonsense", func(*testProvider) http.Header { return bearer("x") }),
	compareUserInfo("Basic", func(p *testProvider) http.Header { return header("Authorization", "Basic YTpi") }),
	compareUserInfo("scheme alone", func(p *testProvider) http.Header { return header("Authorization", "Bearer") }),
	compareUserInfo("RT-11 refresh token", func(p *testProvider) http.Header { return bearer(refreshOf("conf")(p)) }),
	compareUserInfo("JV-10 ID Token", func(p *testProvider) http.Header { _, _, id := p.redeemNewCode("conf"); return bearer(id) }),
	compareUserInfo("token of a machine", func(p *testProvider) http.Header {
		a, _, _ := p.tokens("svc", "grant_type", machineGrant)
		return bearer(a)
	}),
	compareUserInfo("too late", func(p *testProvider) http.Header {
		access := accessOf("conf")(p)
		p.pass(time.Hour)
		return bearer(access)
	}),
	compareUserInfo("DPoP", func(p *testProvider) http.Header { return boundUserinfo(p, nil, "DPoP") }),
	compareUserInfo("DP-05 DPoP without ath", func(p *testProvider) http.Header { return boundUserinfo(p, jsonObject{"ath": nil}, "DPoP") }),
	compareUserInfo("DP-02 DPoP, other method", func(p *testProvider) http.Header { return boundUserinfo(p, jsonObject{"htm": "POST"}, "DPoP") }),
	compareUserInfo("DP-06 bound token as Bearer", func(p *testProvider) http.Header { return boundUserinfo(p, nil, "Bearer") }),
	compareUserInfo("DP-06 free token as DPoP", func(p *testProvider) http.Header {
		access := accessOf("conf")(p)
		sum := sha256.Sum256([]byte(access))
		return http.Header{"Authorization": {"DPoP " + access}, "Dpop": {p.proof("conf", "userinfo_endpoint", nil, jsonObject{"htm": "GET", "ath": base64.RawURLEncoding.EncodeToString(sum[:])})}}
	}),
	compareUserInfo("DPoP without a proof", func(p *testProvider) http.Header {
		h := boundUserinfo(p, nil, "DPoP")
		h.Del("DPoP")
		return h
	}),
	{"userinfo: POST", func(p *testProvider) string {
		return p.send(request{to: p.at("userinfo_endpoint"), header: bearer(accessOf("conf")(p))}).String()
	}},
	{"userinfo: token in the form", func(p *testProvider) string {
		return p.send(request{to: p.at("userinfo_endpoint"), form: params("access_token", accessOf("conf")(p))}).String()
	}},
	{"userinfo: token in header and form", func(p *testProvider) string {
		access := accessOf("conf")(p)
		return p.send(request{to: p.at("userinfo_endpoint"), form: params("access_token", access), header: bearer(access)}).String()
	}},
	{"userinfo: token in the URL", func(p *testProvider) string {
		return p.send(request{method: "GET", to: p.at("userinfo_endpoint") + "?access_token=" + accessOf("conf")(p)}).String()
	}},
	{"userinfo: PUT", func(p *testProvider) string {
		return fmt.Sprint(p.send(request{method: "PUT", to: p.at("userinfo_endpoint")}).status)
	}},
	{"userinfo: AZ-40 what scope email adds", func(p *testProvider) string {
		access, _, _ := p.redeemNewCode("conf", "scope", "openid email")
		return strings.TrimSpace(p.userinfo(bearer(access)).String())
	}},
}
