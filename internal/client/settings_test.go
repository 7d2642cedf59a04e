package client

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

// A misspelt tag would silently reserve a setting for operators, or leave it without a description.
func TestSettingTags(t *testing.T) {
	t.Parallel()
	for name, f := range settings {
		switch m, ok := f.Tag.Lookup("metadata"); {
		case ok && m != "required" && m != "optional":
			t.Errorf("%s: metadata is required or optional, not %q", name, m)
		case !strings.Contains(f.Tag.Get("json"), ",omit"):
			t.Errorf("%s: a setting that is empty is left out where it is stored", name)
		case f.Tag.Get("doc") == "":
			t.Errorf("%s: describe it", name)
		}
	}
	for name, b := range bounds {
		if f, ok := settings[name]; !ok || f.Type != b.Type {
			t.Errorf("%s bounds no setting of its type", name)
		}
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	age := int64(60)
	before := Registration{Name: "A", RedirectURIs: []string{"https://a.example.test/"}, ClientSettings: auth.ClientSettings{
		JWKS: []byte(`{"keys":[]}`), Contacts: []string{"one", "two"}, DefaultMaxAge: &age, Popup: true,
		Exchange: &auth.ClientExchangePolicy{Subjects: []auth.ClientID{"cl_1"}, Impersonate: true}}}

	r := before
	err := r.Patch([]byte(`{"contacts":["three"],"default_max_age":5,"token_exchange":{"audiences":["https://b.example.test"]},"popup":false,"jwks":null,
		"scopes":["openid"],"redirect_uris":["https://b.example.test/"],"require_auth_time":true}`))
	want := Registration{Name: "A", RedirectURIs: []string{"https://b.example.test/"}, Scopes: []string{"openid"},
		Bounds: auth.ClientBounds{Scopes: []string{"openid"}, RequireAuthTime: true}, ClientSettings: auth.ClientSettings{
			JWKS: []byte("null"), Contacts: []string{"three"}, DefaultMaxAge: new(int64(5)), RequireAuthTime: true,
			Exchange: &auth.ClientExchangePolicy{Audiences: []string{"https://b.example.test"}}}}
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v, %v\nwant %+v", r, err, want)
	}
	if before.Contacts[0] != "one" || *before.DefaultMaxAge != 60 || before.Exchange.Subjects[0] != "cl_1" || before.RedirectURIs[0] != "https://a.example.test/" {
		t.Errorf("the patch reached the former values: %+v", before)
	}
}

// Null is no value. It must not lift a restriction or restore a default.
func TestPatchLeavesNullAlone(t *testing.T) {
	t.Parallel()
	age := int64(60)
	r := Registration{Name: "A", RedirectURIs: []string{"https://a.example.test/"}, Scopes: []string{"openid"},
		Bounds: auth.ClientBounds{Scopes: []string{"openid"}, DPoP: true}, ClientSettings: auth.ClientSettings{
			Grants: []auth.GrantType{}, RequirePushed: true, DPoP: true, DefaultMaxAge: &age, Exchange: &auth.ClientExchangePolicy{}}}
	before := r
	for name, f := range settings {
		if f.Type == reflect.TypeFor[json.RawMessage]() {
			continue
		}
		if err := r.Patch([]byte(`{"` + name + `": null }`)); err != nil || !reflect.DeepEqual(r, before) {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	for text, code := range map[string]auth.Code{
		`[]`: auth.CodeMemberInvalid, `{"contacts":"a"}`: auth.CodeMemberInvalid, `{"popup":"yes"}`: auth.CodeMemberInvalid,
		`{"registration":"x"}`: auth.CodeMemberUnknown, `{"document_at":"2026-01-01T00:00:00Z"}`: auth.CodeMemberUnknown, `{"Popup":true}`: auth.CodeMemberUnknown,
		`{"type":"web"}`: auth.CodeMemberUnknown, `{"first_party":true}`: auth.CodeMemberUnknown, `{"Type":"web"}`: auth.CodeMemberUnknown, `{"bounds":{}}`: auth.CodeMemberUnknown,
	} {
		err := new(Registration).Patch([]byte(text))
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != code {
			t.Errorf("%s: %v, want %s", text, err, code)
		}
	}
}

func TestMergeSettingsKeepsWhatOperatorsSet(t *testing.T) {
	t.Parallel()
	sent := auth.ClientSettings{
		Audiences: []string{"https://api.example.test"}, Serves: []string{"https://api.example.test"},
		PKCEOptional: true, Popup: true, IDTokenClaims: "scope", TokenFormat: "opaque",
		Exchange: &auth.ClientExchangePolicy{Subjects: []auth.ClientID{"*"}, Impersonate: true},
	}

	got := mergeSettings(sent, auth.ClientSettings{})
	if !reflect.DeepEqual(got, auth.ClientSettings{}) {
		t.Errorf("a client set what is for operators: %+v", got)
	}

	kept := mergeSettings(auth.ClientSettings{LogoURI: "https://app.example.test/logo.png"}, sent)
	sent.LogoURI = "https://app.example.test/logo.png"
	if !reflect.DeepEqual(kept, sent) {
		t.Errorf("got %+v, want %+v", kept, sent)
	}
}
