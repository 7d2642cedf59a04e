package oidc

import (
	"cmp"
	"encoding/base64"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// credentials are what a client shows of itself: one method, and what it needs.
type credentials struct {
	method    auth.AuthMethod
	id        auth.ClientID
	secret    string
	assertion string
}

// assertionType marks a client assertion (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// readCredentials finds the one method that the request uses (RFC 6749 §2.3).
// A client_id beside another method must name the same client. An empty secret is none:
// a client that has none and names itself by Basic or an empty client_secret, as
// libraries do before they know better, uses the method none.
func readCredentials(r Request) (credentials, error) {
	id, secret := r.Form.Get("client_id"), r.Form.Get("client_secret")
	assertion, kind := r.Form.Get("client_assertion"), r.Form.Get("client_assertion_type")
	header, err := readBasic(r.Authorization)
	if err != nil {
		return credentials{}, err
	}
	methods := 0
	for _, used := range []bool{header.secret != "", secret != "", assertion != "" || kind != ""} {
		if used {
			methods++
		}
	}
	c := header
	switch {
	case methods > 1:
		return credentials{}, refuse(InvalidRequest, "use one method of client authentication, not two")
	case assertion != "" || kind != "":
		c, err = readAssertion(assertion, kind)
	case secret != "":
		c = credentials{method: auth.AuthSecretPost, id: auth.ClientID(id), secret: secret}
	case header.id == "":
		c = credentials{method: auth.AuthNone, id: auth.ClientID(id)}
	}
	if err != nil {
		return credentials{}, err
	}
	if c.id == "" {
		return credentials{}, notProved("no client authentication in the request")
	}
	if id != "" && id != string(c.id) || header.id != "" && header.id != c.id {
		return credentials{}, refuse(InvalidRequest, "client_id is not the client that authenticates")
	}
	if _, err := auth.ParseClientID(string(c.id)); err != nil {
		return credentials{}, notProved("not a client_id")
	}
	return c, nil
}

func readAssertion(assertion, kind string) (credentials, error) {
	if kind != assertionType || assertion == "" {
		return credentials{}, refuse(InvalidRequest, "client_assertion and client_assertion_type belong together, and the type is "+assertionType)
	}
	id, ok := claimedSubject(assertion)
	if !ok {
		return credentials{}, notProved("the assertion is not a JWT of ours to judge")
	}
	return credentials{method: auth.AuthPrivateKeyJWT, id: id, assertion: assertion}, nil
}

// claimedClient is the client that a refused request says it is, as text to be shown:
// the one that was read, or what the header, the form or the assertion names.
func claimedClient(r Request, id auth.ClientID) string {
	claimed := cmp.Or(string(id), r.Form.Get("client_id"))
	if claimed == "" && len(r.Authorization) == 1 {
		claimed, _, _ = ParseBasic(r.Authorization[0])
	}
	if claimed == "" {
		subject, _ := claimedSubject(r.Form.Get("client_assertion"))
		claimed = string(subject)
	}
	if strings.HasPrefix(claimed, SecretPrefix) {
		return "(a client secret)" // in the wrong field
	}
	return auth.Clip(claimed, auth.MaxClientID)
}

// readBasic reads the Authorization header, if there is one.
func readBasic(header []string) (credentials, error) {
	switch len(header) {
	case 0:
		return credentials{}, nil
	case 1:
	default:
		return credentials{}, refuse(InvalidRequest, "the Authorization header is sent more than once")
	}
	id, secret, ok := ParseBasic(header[0])
	switch {
	case !ok:
		return credentials{}, notProved("the Authorization header is not Basic with a client_id and secret")
	case secret == "":
		return credentials{method: auth.AuthNone, id: auth.ClientID(id)}, nil
	}
	return credentials{method: auth.AuthSecretBasic, id: auth.ClientID(id), secret: secret}, nil
}

// ParseBasic reads the value of an Authorization header of the scheme Basic. As RFC
// 6749 §2.3.1 says, both halves were form-encoded before they were joined.
func ParseBasic(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "basic") || len(header) > 8192 {
		return "", "", false
	}
	encoded = strings.TrimLeft(encoded, " ")
	if strings.ContainsAny(encoded, "\r\n") { // which encoding/base64 skips
		return "", "", false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	id, secret, found := strings.Cut(string(b), ":")
	if address, bare := strings.CutSuffix(string(b), ":"); bare && strings.HasPrefix(address, "https://") {
		id, secret = address, "" // of a client with a document, which has no secret, not encoded
	}
	id, ok = unescape(id)
	secret, also := unescape(secret)
	return id, secret, found && ok && also && id != ""
}
