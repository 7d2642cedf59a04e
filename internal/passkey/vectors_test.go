package passkey_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/secret"
)

// vector is one of the test vectors of WebAuthn Level 3 §16, in base64url.
type vector struct {
	Name   string
	ID     string
	Create struct{ Challenge, ClientDataJSON, AttestationObject string }
	Get    struct{ Challenge, ClientDataJSON, AuthenticatorData, Signature string }
}

// refusedVectors are those that are refused, and why.
var refusedVectors = map[string]string{
	"none-es256-crossOrigin": "cross origin", // of a page within another site's page
	"none-es256-topOrigin":   "cross origin",
	"packed-ed448":           "", // algorithms that the options do not list
	"packed-es384":           "algorithm not supported",
	"packed-es512":           "algorithm not supported",
}

// TestVectors verifies the creation and the authentication of every vector of the specification.
func TestVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/w3c.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil || len(all) < 15 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	rp, err := passkey.NewRelyingParty("example.org", []string{"https://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			reason, refused := refusedVectors[v.Name]
			u := passkey.User{Handle: []byte("handle"), Name: "ann@example.org", Display: "Ann"}
			c := passkey.Ceremony{Challenge: v.Create.Challenge, Handle: u.Handle}
			p, err := rp.FinishCreate(c, u, response(t, v.ID, map[string]string{"clientDataJSON": v.Create.ClientDataJSON, "attestationObject": v.Create.AttestationObject}))
			if refused {
				if !errors.Is(err, passkey.ErrRefused) || !strings.Contains(err.Error(), reason) {
					t.Errorf("created %+v, %v", p, err)
				}
				return
			}
			if err != nil || secret.Encode(p.ID) != v.ID {
				t.Fatalf("created %+v, %v", p, err)
			}
			u.Passkeys = []passkey.Passkey{p}
			get := map[string]string{"clientDataJSON": v.Get.ClientDataJSON, "authenticatorData": v.Get.AuthenticatorData, "signature": v.Get.Signature}
			find := func(_, _ []byte) (passkey.User, error) { return u, nil }
			c = passkey.Ceremony{Challenge: v.Get.Challenge, Handle: u.Handle, Allowed: [][]byte{p.ID}}
			if a, err := rp.FinishRequest(c, response(t, v.ID, get), find); err != nil {
				t.Errorf("authenticated %+v, %v", a, err)
			}
			c.Challenge = v.Create.Challenge
			if a, err := rp.FinishRequest(c, response(t, v.ID, get), find); !errors.Is(err, passkey.ErrRefused) {
				t.Errorf("to another challenge: %+v, %v", a, err)
			}
		})
	}
}

// response is the JSON form of an authenticator's response.
func response(t *testing.T, id string, parts map[string]string) []byte {
	t.Helper()
	out, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": map[string]any{}, "response": parts})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNames: every line of the list of authenticators is read, and an unknown one has no name.
func TestNames(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("aaguids.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		n++
		key, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		id, err := hex.DecodeString(strings.ReplaceAll(key, "-", ""))
		if got := passkey.Name(id); err != nil || len(id) != 16 || got != name || name == "" {
			t.Errorf("%s is %q, want %q, %v", key, got, name, err)
		}
	}
	if n < 20 {
		t.Errorf("%d names", n)
	}
	if got := passkey.Name(make([]byte, 16)); got != "" {
		t.Errorf("no model has the name %q", got)
	}
}

// TestParseResponse: the ID and the challenge of both kinds of responses are read, and nothing else is.
func TestParseResponse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	options, c, err := f.rp.Request(&f.user, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := passkey.ParseResponse(f.authenticator.Get(t, options))
	if err != nil || r.Challenge != c.Challenge || secret.Encode(r.ID) != secret.Encode(f.user.Passkeys[0].ID) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "{}", "[]", `{"id":"AA"}`, `{"id":"A","response":{"clientDataJSON":"e30"}}`, `{"id":"AA","response":{"clientDataJSON":"AA"}}`, `{"id":"` + strings.Repeat("A", 2000) + `","response":{"clientDataJSON":"e30"}}`} {
		if r, err := passkey.ParseResponse([]byte(bad)); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%q: %+v, %v", bad, r, err)
		}
	}
	if got := string(f.rp.SignalAccepted(f.user)); !strings.Contains(got, `"allAcceptedCredentialIds":["`+secret.Encode(r.ID)+`"]`) || !strings.Contains(got, `"rpId":"`+rpID+`"`) {
		t.Error(got)
	}
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{"", "{}", `{"id":"AA","response":{"clientDataJSON":"e30"}}`, `{"id":"AA","response":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := passkey.ParseResponse(in)
		if err == nil && (len(r.ID) == 0 || len(r.ID) > 1023) {
			t.Errorf("%q has the ID %x", in, r.ID)
		}
	})
}
