package client

import (
	"cmp"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// ConfidentialMethods authenticate a confidential client, AuthMethods any client.
var (
	ConfidentialMethods = []auth.AuthMethod{auth.AuthSecretBasic, auth.AuthSecretPost, auth.AuthPrivateKeyJWT}
	AuthMethods         = append(ConfidentialMethods[:len(ConfidentialMethods):len(ConfidentialMethods)], auth.AuthNone)
)

// credentials are one method of client authentication with its values.
type credentials struct {
	method    auth.AuthMethod
	id        auth.ClientID
	secret    string
	assertion string
}

// readCredentials finds the one method that the request uses (RFC 6749 §2.3). A client_id
// beside another method must name the same client. An empty secret means the method none:
// libraries send Basic or an empty client_secret for clients without one.
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
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "at most one method of client authentication")
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
		return credentials{}, oauth.RefuseClient("no client authentication in the request")
	}
	if id != "" && id != string(c.id) || header.id != "" && header.id != c.id {
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "client_id: the client that authenticates")
	}
	if _, err := auth.ParseClientID(string(c.id)); err != nil {
		return credentials{}, oauth.RefuseClient("not a client_id")
	}
	return c, nil
}

func readAssertion(assertion, kind string) (credentials, error) {
	if kind != oauth.AssertionType || assertion == "" {
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "client_assertion, client_assertion_type: both are required, and the type is "+oauth.AssertionType)
	}
	id, ok := claimedSubject(assertion)
	if !ok {
		return credentials{}, oauth.RefuseClient("client_assertion: a JWT whose sub is the client_id")
	}
	return credentials{method: auth.AuthPrivateKeyJWT, id: id, assertion: assertion}, nil
}

// claimedClient returns the client_id that a refused request claims, as text for the audit event:
// the one that was read, or that of the form, the header or the assertion.
func claimedClient(r Request, id auth.ClientID) string {
	claimed := cmp.Or(string(id), r.Form.Get("client_id"))
	if claimed == "" && len(r.Authorization) == 1 {
		claimed, _, _ = oauth.ParseBasic(r.Authorization[0])
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
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "Authorization: at most one header")
	}
	id, secret, ok := oauth.ParseBasic(header[0])
	switch {
	case !ok:
		return credentials{}, oauth.RefuseClient("the Authorization header is not Basic with a client_id and secret")
	case secret == "":
		return credentials{method: auth.AuthNone, id: auth.ClientID(id)}, nil
	}
	return credentials{method: auth.AuthSecretBasic, id: auth.ClientID(id), secret: secret}, nil
}
