package clients_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// compareAuthorize compares an authorization request without a session.
func compareAuthorize(what, as string, pairs ...string) comparison {
	return comparison{"authorize: " + what, func(p *testProvider) string { return p.authorize(as, pairs...) }}
}

// authorizeQuestions are authorization requests of a browser without a session.
var authorizeQuestions = []comparison{
	compareAuthorize("good request", "conf"),
	compareAuthorize("AZ-01 longer path", "conf", "redirect_uri", appReturn+"/x"),
	compareAuthorize("AZ-02 added query", "conf", "redirect_uri", appReturn+"?a=b"),
	compareAuthorize("AZ-03 other host behind @", "conf", "redirect_uri", "https://app.example.test@evil.test/cb"),
	compareAuthorize("AZ-04 upper case", "conf", "redirect_uri", "https://APP.example.test/cb"),
	compareAuthorize("AZ-05 trailing slash", "conf", "redirect_uri", appReturn+"/"),
	compareAuthorize("AZ-06 fragment", "conf", "redirect_uri", appReturn+"#x"),
	compareAuthorize("AZ-07 two redirect URIs", "conf", "redirect_uri", "+https://evil.test/cb"),
	{"authorize: AZ-08 unknown client", func(p *testProvider) string {
		return p.authorize("conf", "client_id", "cl_nobody")
	}},
	compareAuthorize("no client_id", "conf", "client_id", ""),
	compareAuthorize("client_id twice", "conf", "client_id", "+x"),
	compareAuthorize("AZ-45 no redirect_uri, openid", "conf", "redirect_uri", ""),
	compareAuthorize("no redirect_uri, plain OAuth", "conf", "redirect_uri", "", "scope", "read"),
	compareAuthorize("scope twice", "conf", "scope", "+email"),
	compareAuthorize("state twice", "conf", "state", "+x"),
	compareAuthorize("no state", "conf", "state", "", "response_type", "bogus"),
	compareAuthorize("AZ-09 no response_type", "conf", "response_type", ""),
	compareAuthorize("AZ-10 token", "conf", "response_type", "token"),
	compareAuthorize("AZ-10 id_token token", "conf", "response_type", "id_token token"),
	compareAuthorize("AZ-10 code token", "conf", "response_type", "code token"),
	compareAuthorize("response_type=none", "conf", "response_type", "none"),
	compareAuthorize("unknown response_type", "conf", "response_type", "bogus"),
	compareAuthorize("AZ-24 tokens in a query", "conf", "response_type", "code id_token", "response_mode", "query"),
	compareAuthorize("unknown response_mode", "conf", "response_mode", "bogus"),
	compareAuthorize("error in the fragment", "conf", "response_mode", "fragment", "prompt", "none"),
	compareAuthorize("error by form_post", "conf", "response_mode", "form_post", "prompt", "none"),
	compareAuthorize("AZ-11 another port of the device", "native", "redirect_uri", "http://127.0.0.1:51004/cb"),
	compareAuthorize("AZ-11 another path", "native", "redirect_uri", "http://127.0.0.1:51004/x"),
	compareAuthorize("AZ-11 another host", "native", "redirect_uri", "http://127.0.0.1.evil.test:51004/cb"),
	compareAuthorize("AZ-14 no challenge, public client", "spa", "code_challenge", "", "code_challenge_method", ""),
	compareAuthorize("no challenge, confidential client", "conf", "code_challenge", "", "code_challenge_method", ""),
	compareAuthorize("no challenge, client let off", "loose", "code_challenge", "", "code_challenge_method", ""),
	compareAuthorize("method without challenge", "loose", "code_challenge", ""),
	compareAuthorize("AZ-15 plain", "conf", "code_challenge_method", "plain"),
	compareAuthorize("AZ-16 challenge without method", "conf", "code_challenge_method", ""),
	compareAuthorize("AZ-17 challenge of 42", "conf", "code_challenge", strings.Repeat("a", 42)),
	compareAuthorize("AZ-17 challenge of 129", "conf", "code_challenge", strings.Repeat("a", 129)),
	compareAuthorize("AZ-17 challenge of 64", "conf", "code_challenge", strings.Repeat("a", 64)),
	compareAuthorize("AZ-17 challenge with =", "conf", "code_challenge", strings.Repeat("a", 42)+"="),
	compareAuthorize("AZ-18 prompt=none", "conf", "prompt", "none"),
	compareAuthorize("AZ-19 prompt=none login", "conf", "prompt", "none login"),
	compareAuthorize("unknown prompt", "conf", "prompt", "bogus"),
	compareAuthorize("prompt=select_account", "conf", "prompt", "select_account"),
	compareAuthorize("negative max_age", "conf", "max_age", "-1"),
	compareAuthorize("max_age of letters", "conf", "max_age", "abc"),
	compareAuthorize("unknown scope alone", "conf", "scope", "bogus"),
	compareAuthorize("unknown scope beside openid", "conf", "scope", "openid bogus"),
	compareAuthorize("scope with a quote", "conf", "scope", `openid "x"`),
	compareAuthorize("no scope", "conf", "scope", ""),
	compareAuthorize("AZ-44 claims that is no JSON", "conf", "claims", "{"),
	compareAuthorize("claims that is a list", "conf", "claims", "[]"),
	compareAuthorize("claims with a wrong inside", "conf", "claims", `{"id_token":1}`),
	compareAuthorize("claims without a known member", "conf", "claims", `{"bogus":{}}`),
	compareAuthorize("acr that cannot be reached, voluntary", "conf", "acr_values", "9"),
	compareAuthorize("id_token_hint that is no token", "conf", "id_token_hint", "x"),
	compareAuthorize("registration", "conf", "registration", "{}"),
	compareAuthorize("unknown resource", "conf", "resource", "https://other.example.test"),
	compareAuthorize("resource with a fragment", "conf", "resource", resource+"#x"),
	compareAuthorize("relative resource", "conf", "resource", "/x"),
	compareAuthorize("known resource", "conf", "resource", resource, "scope", "openid read"),
	compareAuthorize("dpop_jkt that is no thumbprint", "conf", "dpop_jkt", "x"),
	compareAuthorize("unknown parameter", "conf", "bogus", "x"),
	compareAuthorize("AZ-33 not pushed", "par"),
	compareAuthorize("unknown pushed request", "conf", "request_uri", "urn:ietf:params:oauth:request_uri:x"),
	compareAuthorize("AZ-28 request_uri at an internal address", "conf", "request_uri", "http://169.254.169.254/latest"),
	compareAuthorize("request_uri not registered", "conf", "request_uri", "https://app.example.test/request"),
	{"authorize: form of another site", func(p *testProvider) string {
		return p.browser().open(p.at("authorization_endpoint"), p.request("conf"), false).String()
	}},
	{"authorize: form of another site, wrong", func(p *testProvider) string {
		return p.browser().open(p.at("authorization_endpoint"), p.request("conf", "response_type", "bogus"), false).String()
	}},
	{"authorize: JSON body", func(p *testProvider) string {
		return fmt.Sprint(p.send(request{to: p.at("authorization_endpoint"), body: "{}", media: "application/json"}).status)
	}},
	{"authorize: PUT", func(p *testProvider) string {
		return fmt.Sprint(p.send(request{method: "PUT", to: p.at("authorization_endpoint")}).status)
	}},
}

// compareSignedIn compares an authorization request of the signed-in user.
func compareSignedIn(what, as string, pairs ...string) comparison {
	return comparison{"signed in: " + what, func(p *testProvider) string {
		return p.person.open(p.authorizeURL(as, pairs...), nil, false).String()
	}}
}

var signedInQuestions = []comparison{
	compareSignedIn("good request", "conf"),
	compareSignedIn("prompt=none", "conf", "prompt", "none"),
	compareSignedIn("AZ-20 prompt=login", "conf", "prompt", "login"),
	compareSignedIn("AZ-21 max_age=0", "conf", "max_age", "0"),
	compareSignedIn("max_age=0 and prompt=none", "conf", "max_age", "0", "prompt", "none"),
	compareSignedIn("max_age of a day", "conf", "max_age", "86400"),
	compareSignedIn("prompt=select_account", "conf", "prompt", "select_account"),
	compareSignedIn("prompt=consent, the operator's own client", "conf", "prompt", "consent"),
	compareSignedIn("client of others", "foreign"),
	compareSignedIn("client of others and prompt=none", "foreign", "prompt", "none"),
	compareSignedIn("answer in the fragment", "conf", "response_mode", "fragment"),
	compareSignedIn("answer by form_post", "conf", "response_mode", "form_post"),
	compareSignedIn("no state", "conf", "state", ""),
	compareSignedIn("plain OAuth", "conf", "scope", "read", "nonce", "", "resource", resource),
	compareSignedIn("another sub and prompt=none", "conf", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"nobody"}}}`),
	compareSignedIn("acr that cannot be reached, essential", "conf", "prompt", "none", "claims", `{"id_token":{"acr":{"essential":true,"value":"9"}}}`),
	compareSignedIn("native client on the device", "native"),
	compareSignedIn("native client on the device and prompt=none", "native", "prompt", "none"),
	{"signed in: own id_token_hint and prompt=none", func(p *testProvider) string {
		_, _, id := p.redeemNewCode("conf")
		return p.person.open(p.authorizeURL("conf", "id_token_hint", id, "prompt", "none"), nil, false).String()
	}},
	{"signed in: id_token_hint of another client", func(p *testProvider) string {
		_, _, id := p.redeemNewCode("conf2")
		return p.person.open(p.authorizeURL("conf", "id_token_hint", id, "prompt", "none"), nil, false).String()
	}},
	{"authorize: own id_token_hint and prompt=none", func(p *testProvider) string {
		_, _, id := p.redeemNewCode("conf")
		return p.authorize("conf", "id_token_hint", id, "prompt", "none")
	}},
}

// compareRequestObject compares an authorization request with a request object.
func compareRequestObject(what, as string, of func(*testProvider) string, pairs ...string) comparison {
	return comparison{"request object: " + what, func(p *testProvider) string {
		return p.authorize(as, append(slices.Clone(pairs), "request", of(p))...)
	}}
}

func withRequestObject(claims func(*testProvider) jsonObject) func(*testProvider) string {
	return func(p *testProvider) string { return p.requestObject("pk", claims(p)) }
}

var objectQuestions = []comparison{
	compareRequestObject("good", "pk", withRequestObject(func(*testProvider) jsonObject { return nil })),
	compareRequestObject("only client_id beside it", "pk", withRequestObject(func(*testProvider) jsonObject { return nil }), "redirect_uri", "", "response_type", "", "scope", "", "state", ""),
	compareRequestObject("AZ-25 and request_uri", "pk", withRequestObject(func(*testProvider) jsonObject { return nil }), "request_uri", "https://app.example.test/request"),
	compareRequestObject("AZ-26 alg none", "conf", func(p *testProvider) string {
		return "eyJhbGciOiJub25lIn0." + strings.Split(p.requestObject("conf", nil), ".")[1] + "."
	}),
	compareRequestObject("AZ-27 key of another client", "pk", func(p *testProvider) string {
		return sign(p, jose.ES256, p.clients["conf"].key, nil, jsonObject{"iss": p.clients["pk"].id, "aud": p.base, "client_id": p.clients["pk"].id, "response_type": "code"}, nil)
	}),
	compareRequestObject("no JWT", "pk", func(*testProvider) string { return "x" }),
	compareRequestObject("for another client", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"client_id": p.clients["conf"].id} })),
	compareRequestObject("without client_id", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"client_id": nil} })),
	compareRequestObject("for another provider", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"aud": "https://other.example.test"} })),
	compareRequestObject("too old", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"exp": p.now().Unix() - 3600} })),
	compareRequestObject("another redirect URI inside", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"redirect_uri": "https://evil.test/cb"} })),
	compareRequestObject("error inside", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"prompt": "none"} })),
	compareRequestObject("a request object inside", "pk", withRequestObject(func(p *testProvider) jsonObject { return jsonObject{"request": "x"} })),
	compareRequestObject("of a client without keys", "conf", func(p *testProvider) string { return p.requestObject("conf", nil) }),
}

// push sends a pushed authorization request (RFC 9126).
func (p *testProvider) push(as string, pairs ...string) response {
	p.Helper()
	return p.send(request{to: p.at("pushed_authorization_request_endpoint"), as: as, form: p.request(as, pairs...)})
}

// comparePush compares a pushed authorization request.
func comparePush(what, as string, pairs ...string) comparison {
	return comparison{"push: " + what, func(p *testProvider) string { return p.push(as, pairs...).String() }}
}

// comparePushed compares a use of a request that the client par has pushed.
func comparePushed(what string, use func(p *testProvider, uri string) string) comparison {
	return comparison{"pushed: " + what, func(p *testProvider) string {
		a := p.push("par")
		if a.status != 201 {
			p.Fatalf("%s: push: %s", p.base, a)
		}
		return use(p, a.text("request_uri"))
	}}
}

// keepOnlyURI returns changes that remove all parameters but client_id and request_uri.
func keepOnlyURI(uri string) []string {
	pairs := []string{"request_uri", uri}
	for _, name := range []string{"redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method"} {
		pairs = append(pairs, name, "")
	}
	return pairs
}

var pushedQuestions = []comparison{
	comparePush("good request", "par"),
	comparePush("public client", "spa"),
	comparePush("redirect URI not registered", "par", "redirect_uri", "https://evil.test/cb"),
	comparePush("no redirect URI", "par", "redirect_uri", ""),
	comparePush("no response_type", "par", "response_type", ""),
	comparePush("response_type=token", "par", "response_type", "token"),
	comparePush("no challenge", "par", "code_challenge", "", "code_challenge_method", ""),
	comparePush("unknown scope alone", "par", "scope", "bogus"),
	comparePush("scope twice", "par", "scope", "+email"),
	comparePush("prompt=none login", "par", "prompt", "none login"),
	comparePush("AZ-31 request_uri inside", "par", "request_uri", "urn:ietf:params:oauth:request_uri:x"),
	comparePush("request object that is no JWT", "par", "request", "x"),
	comparePush("client_id of another", "par", "client_id", "x"),
	comparePush("unknown resource", "par", "resource", "https://other.example.test"),
	{"push: without authentication", func(p *testProvider) string {
		return p.send(request{to: p.at("pushed_authorization_request_endpoint"), form: p.request("par", "client_id", "")}).String()
	}},
	{"push: wrong secret", func(p *testProvider) string {
		return p.send(request{to: p.at("pushed_authorization_request_endpoint"), form: p.request("par"), header: header("Authorization", basic(p.clients["par"].id, "x"))}).String()
	}},
	{"push: AZ-34 GET", func(p *testProvider) string {
		return p.send(request{method: "GET", to: p.at("pushed_authorization_request_endpoint")}).String()
	}},
	{"push: JSON", func(p *testProvider) string {
		return p.send(request{to: p.at("pushed_authorization_request_endpoint"), as: "par", body: "{}", media: "application/json"}).String()
	}},
	comparePushed("used", func(p *testProvider, uri string) string { return p.authorize("par", keepOnlyURI(uri)...) }),
	comparePushed("used, signed in", func(p *testProvider, uri string) string {
		return p.person.open(p.authorizeURL("par", keepOnlyURI(uri)...), nil, true).String()
	}),
	comparePushed("AZ-29 used again after the code", func(p *testProvider, uri string) string {
		p.code("par", keepOnlyURI(uri)...)
		return p.person.open(p.authorizeURL("par", keepOnlyURI(uri)...), nil, false).String()
	}),
	comparePushed("AZ-30 used by another client", func(p *testProvider, uri string) string { return p.authorize("conf", "request_uri", uri) }),
	comparePushed("AZ-32 too late", func(p *testProvider, uri string) string {
		p.pass(3700 * time.Second)
		return p.authorize("par", append(keepOnlyURI(uri), "redirect_uri", appReturn)...)
	}),
}
