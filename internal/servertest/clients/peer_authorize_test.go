package clients_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// asks makes a question of a request to the authorization endpoint by somebody who is
// not signed in.
func asks(what, as string, pairs ...string) question {
	return question{"authorize: " + what, func(p *party) string { return p.authorize(as, pairs...) }}
}

// authorizeQuestions are requests of a browser in which nobody has signed in.
var authorizeQuestions = []question{
	asks("good request", "conf"),
	asks("AZ-01 longer path", "conf", "redirect_uri", appReturn+"/x"),
	asks("AZ-02 added query", "conf", "redirect_uri", appReturn+"?a=b"),
	asks("AZ-03 other host behind @", "conf", "redirect_uri", "https://app.example.test@evil.test/cb"),
	asks("AZ-04 upper case", "conf", "redirect_uri", "https://APP.example.test/cb"),
	asks("AZ-05 trailing slash", "conf", "redirect_uri", appReturn+"/"),
	asks("AZ-06 fragment", "conf", "redirect_uri", appReturn+"#x"),
	asks("AZ-07 two redirect URIs", "conf", "redirect_uri", "+https://evil.test/cb"),
	{"authorize: AZ-08 unknown client", func(p *party) string {
		return p.authorize("conf", "client_id", "cl_nobody")
	}},
	asks("no client_id", "conf", "client_id", ""),
	asks("client_id twice", "conf", "client_id", "+x"),
	asks("AZ-45 no redirect_uri, openid", "conf", "redirect_uri", ""),
	asks("no redirect_uri, plain OAuth", "conf", "redirect_uri", "", "scope", "read"),
	asks("scope twice", "conf", "scope", "+email"),
	asks("state twice", "conf", "state", "+x"),
	asks("no state", "conf", "state", "", "response_type", "bogus"),
	asks("AZ-09 no response_type", "conf", "response_type", ""),
	asks("AZ-10 token", "conf", "response_type", "token"),
	asks("AZ-10 id_token token", "conf", "response_type", "id_token token"),
	asks("AZ-10 code token", "conf", "response_type", "code token"),
	asks("response_type=none", "conf", "response_type", "none"),
	asks("unknown response_type", "conf", "response_type", "bogus"),
	asks("AZ-24 tokens in a query", "conf", "response_type", "code id_token", "response_mode", "query"),
	asks("unknown response_mode", "conf", "response_mode", "bogus"),
	asks("error in the fragment", "conf", "response_mode", "fragment", "prompt", "none"),
	asks("error by form_post", "conf", "response_mode", "form_post", "prompt", "none"),
	asks("AZ-11 another port of the device", "native", "redirect_uri", "http://127.0.0.1:51004/cb"),
	asks("AZ-11 another path", "native", "redirect_uri", "http://127.0.0.1:51004/x"),
	asks("AZ-11 another host", "native", "redirect_uri", "http://127.0.0.1.evil.test:51004/cb"),
	asks("AZ-14 no challenge, public client", "spa", "code_challenge", "", "code_challenge_method", ""),
	asks("no challenge, confidential client", "conf", "code_challenge", "", "code_challenge_method", ""),
	asks("no challenge, client let off", "loose", "code_challenge", "", "code_challenge_method", ""),
	asks("method without challenge", "loose", "code_challenge", ""),
	asks("AZ-15 plain", "conf", "code_challenge_method", "plain"),
	asks("AZ-16 challenge without method", "conf", "code_challenge_method", ""),
	asks("AZ-17 challenge of 42", "conf", "code_challenge", strings.Repeat("a", 42)),
	asks("AZ-17 challenge of 129", "conf", "code_challenge", strings.Repeat("a", 129)),
	asks("AZ-17 challenge of 64", "conf", "code_challenge", strings.Repeat("a", 64)),
	asks("AZ-17 challenge with =", "conf", "code_challenge", strings.Repeat("a", 42)+"="),
	asks("AZ-18 prompt=none", "conf", "prompt", "none"),
	asks("AZ-19 prompt=none login", "conf", "prompt", "none login"),
	asks("unknown prompt", "conf", "prompt", "bogus"),
	asks("prompt=select_account", "conf", "prompt", "select_account"),
	asks("negative max_age", "conf", "max_age", "-1"),
	asks("max_age of letters", "conf", "max_age", "abc"),
	asks("unknown scope alone", "conf", "scope", "bogus"),
	asks("unknown scope beside openid", "conf", "scope", "openid bogus"),
	asks("scope with a quote", "conf", "scope", `openid "x"`),
	asks("no scope", "conf", "scope", ""),
	asks("AZ-44 claims that is no JSON", "conf", "claims", "{"),
	asks("claims that is a list", "conf", "claims", "[]"),
	asks("claims with a wrong inside", "conf", "claims", `{"id_token":1}`),
	asks("claims without a known member", "conf", "claims", `{"bogus":{}}`),
	asks("acr that cannot be reached, voluntary", "conf", "acr_values", "9"),
	asks("id_token_hint that is no token", "conf", "id_token_hint", "x"),
	asks("registration", "conf", "registration", "{}"),
	asks("unknown resource", "conf", "resource", "https://other.example.test"),
	asks("resource with a fragment", "conf", "resource", resource+"#x"),
	asks("relative resource", "conf", "resource", "/x"),
	asks("known resource", "conf", "resource", resource, "scope", "openid read"),
	asks("dpop_jkt that is no thumbprint", "conf", "dpop_jkt", "x"),
	asks("unknown parameter", "conf", "bogus", "x"),
	asks("AZ-33 not pushed", "par"),
	asks("unknown pushed request", "conf", "request_uri", "urn:ietf:params:oauth:request_uri:x"),
	asks("AZ-28 request_uri at an internal address", "conf", "request_uri", "http://169.254.169.254/latest"),
	asks("request_uri not registered", "conf", "request_uri", "https://app.example.test/request"),
	{"authorize: form of another site", func(p *party) string {
		return p.browser().open(p.at("authorization_endpoint"), p.request("conf"), false).String()
	}},
	{"authorize: form of another site, wrong", func(p *party) string {
		return p.browser().open(p.at("authorization_endpoint"), p.request("conf", "response_type", "bogus"), false).String()
	}},
	{"authorize: JSON body", func(p *party) string {
		return fmt.Sprint(p.send(asking{to: p.at("authorization_endpoint"), body: "{}", media: "application/json"}).status)
	}},
	{"authorize: PUT", func(p *party) string {
		return fmt.Sprint(p.send(asking{method: "PUT", to: p.at("authorization_endpoint")}).status)
	}},
}

// known makes a question of a request by the person who has signed in before.
func known(what, as string, pairs ...string) question {
	return question{"signed in: " + what, func(p *party) string {
		return p.person.open(p.authorizeURL(as, pairs...), nil, false).String()
	}}
}

var signedInQuestions = []question{
	known("good request", "conf"),
	known("prompt=none", "conf", "prompt", "none"),
	known("AZ-20 prompt=login", "conf", "prompt", "login"),
	known("AZ-21 max_age=0", "conf", "max_age", "0"),
	known("max_age=0 and prompt=none", "conf", "max_age", "0", "prompt", "none"),
	known("max_age of a day", "conf", "max_age", "86400"),
	known("prompt=select_account", "conf", "prompt", "select_account"),
	known("prompt=consent, the operator's own client", "conf", "prompt", "consent"),
	known("client of others", "foreign"),
	known("client of others and prompt=none", "foreign", "prompt", "none"),
	known("answer in the fragment", "conf", "response_mode", "fragment"),
	known("answer by form_post", "conf", "response_mode", "form_post"),
	known("no state", "conf", "state", ""),
	known("plain OAuth", "conf", "scope", "read", "nonce", "", "resource", resource),
	known("another sub and prompt=none", "conf", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"nobody"}}}`),
	known("acr that cannot be reached, essential", "conf", "prompt", "none", "claims", `{"id_token":{"acr":{"essential":true,"value":"9"}}}`),
	known("native client on the device", "native"),
	known("native client on the device and prompt=none", "native", "prompt", "none"),
	{"signed in: own id_token_hint and prompt=none", func(p *party) string {
		_, _, id := p.redeemed("conf")
		return p.person.open(p.authorizeURL("conf", "id_token_hint", id, "prompt", "none"), nil, false).String()
	}},
	{"signed in: id_token_hint of another client", func(p *party) string {
		_, _, id := p.redeemed("conf2")
		return p.person.open(p.authorizeURL("conf", "id_token_hint", id, "prompt", "none"), nil, false).String()
	}},
	{"authorize: own id_token_hint and prompt=none", func(p *party) string {
		_, _, id := p.redeemed("conf")
		return p.authorize("conf", "id_token_hint", id, "prompt", "none")
	}},
}

// object makes a question of a request with a request object in it.
func object(what, as string, of func(*party) string, pairs ...string) question {
	return question{"request object: " + what, func(p *party) string {
		return p.authorize(as, append(slices.Clone(pairs), "request", of(p))...)
	}}
}

func claiming(claims func(*party) said) func(*party) string {
	return func(p *party) string { return p.requestObject("pk", claims(p)) }
}

var objectQuestions = []question{
	object("good", "pk", claiming(func(*party) said { return nil })),
	object("only client_id beside it", "pk", claiming(func(*party) said { return nil }), "redirect_uri", "", "response_type", "", "scope", "", "state", ""),
	object("AZ-25 and request_uri", "pk", claiming(func(*party) said { return nil }), "request_uri", "https://app.example.test/request"),
	object("AZ-26 alg none", "conf", func(p *party) string {
		return "eyJhbGciOiJub25lIn0." + strings.Split(p.requestObject("conf", nil), ".")[1] + "."
	}),
	object("AZ-27 key of another client", "pk", func(p *party) string {
		return sign(p, jose.ES256, p.clients["conf"].key, nil, said{"iss": p.clients["pk"].id, "aud": p.base, "client_id": p.clients["pk"].id, "response_type": "code"}, nil)
	}),
	object("no JWT", "pk", func(*party) string { return "x" }),
	object("for another client", "pk", claiming(func(p *party) said { return said{"client_id": p.clients["conf"].id} })),
	object("without client_id", "pk", claiming(func(p *party) said { return said{"client_id": nil} })),
	object("for another provider", "pk", claiming(func(p *party) said { return said{"aud": "https://other.example.test"} })),
	object("too old", "pk", claiming(func(p *party) said { return said{"exp": p.now().Unix() - 3600} })),
	object("another redirect URI inside", "pk", claiming(func(p *party) said { return said{"redirect_uri": "https://evil.test/cb"} })),
	object("error inside", "pk", claiming(func(p *party) said { return said{"prompt": "none"} })),
	object("a request object inside", "pk", claiming(func(p *party) said { return said{"request": "x"} })),
	object("of a client without keys", "conf", func(p *party) string { return p.requestObject("conf", nil) }),
}

// push sends a pushed authorization request (RFC 9126).
func (p *party) push(as string, pairs ...string) answer {
	p.Helper()
	return p.send(asking{to: p.at("pushed_authorization_request_endpoint"), as: as, form: p.request(as, pairs...)})
}

// pushes makes a question of one.
func pushes(what, as string, pairs ...string) question {
	return question{"push: " + what, func(p *party) string { return p.push(as, pairs...).String() }}
}

// pushed makes a question of using what was pushed by the client named par.
func pushed(what string, use func(p *party, uri string) string) question {
	return question{"pushed: " + what, func(p *party) string {
		a := p.push("par")
		if a.status != 201 {
			p.Fatalf("%s: push: %s", p.base, a)
		}
		return use(p, a.text("request_uri"))
	}}
}

// onlyURI takes all out of a request but the client and the request_uri.
func onlyURI(uri string) []string {
	pairs := []string{"request_uri", uri}
	for _, name := range []string{"redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method"} {
		pairs = append(pairs, name, "")
	}
	return pairs
}

var pushedQuestions = []question{
	pushes("good request", "par"),
	pushes("public client", "spa"),
	pushes("redirect URI not registered", "par", "redirect_uri", "https://evil.test/cb"),
	pushes("no redirect URI", "par", "redirect_uri", ""),
	pushes("no response_type", "par", "response_type", ""),
	pushes("response_type=token", "par", "response_type", "token"),
	pushes("no challenge", "par", "code_challenge", "", "code_challenge_method", ""),
	pushes("unknown scope alone", "par", "scope", "bogus"),
	pushes("scope twice", "par", "scope", "+email"),
	pushes("prompt=none login", "par", "prompt", "none login"),
	pushes("AZ-31 request_uri inside", "par", "request_uri", "urn:ietf:params:oauth:request_uri:x"),
	pushes("request object that is no JWT", "par", "request", "x"),
	pushes("client_id of another", "par", "client_id", "x"),
	pushes("unknown resource", "par", "resource", "https://other.example.test"),
	{"push: without authentication", func(p *party) string {
		return p.send(asking{to: p.at("pushed_authorization_request_endpoint"), form: p.request("par", "client_id", "")}).String()
	}},
	{"push: wrong secret", func(p *party) string {
		return p.send(asking{to: p.at("pushed_authorization_request_endpoint"), form: p.request("par"), header: header("Authorization", basic(p.clients["par"].id, "x"))}).String()
	}},
	{"push: AZ-34 GET", func(p *party) string {
		return p.send(asking{method: "GET", to: p.at("pushed_authorization_request_endpoint")}).String()
	}},
	{"push: JSON", func(p *party) string {
		return p.send(asking{to: p.at("pushed_authorization_request_endpoint"), as: "par", body: "{}", media: "application/json"}).String()
	}},
	pushed("used", func(p *party, uri string) string { return p.authorize("par", onlyURI(uri)...) }),
	pushed("used, signed in", func(p *party, uri string) string {
		return p.person.open(p.authorizeURL("par", onlyURI(uri)...), nil, true).String()
	}),
	pushed("AZ-29 used again after the code", func(p *party, uri string) string {
		p.code("par", onlyURI(uri)...)
		return p.person.open(p.authorizeURL("par", onlyURI(uri)...), nil, false).String()
	}),
	pushed("AZ-30 used by another client", func(p *party, uri string) string { return p.authorize("conf", "request_uri", uri) }),
	pushed("AZ-32 too late", func(p *party, uri string) string {
		p.pass(3700 * time.Second)
		return p.authorize("par", append(onlyURI(uri), "redirect_uri", appReturn)...)
	}),
}
