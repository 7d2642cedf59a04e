package client

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// A name in the table that no field has would silently leave its setting to operators.
func TestClientSettingsExist(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for f := range reflect.TypeFor[auth.ClientSettings]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	for _, s := range clientSettings {
		if !names[s.name] {
			t.Errorf("%s is no member of auth.ClientSettings", s.name)
		}
	}
}

func TestMergeSettingsKeepsWhatOperatorsSet(t *testing.T) {
	t.Parallel()
	said := auth.ClientSettings{
		Audiences: []string{"https://api.example.test"}, Serves: []string{"https://api.example.test"}, ResourceScopes: []string{"read"}, ScopesBounded: true,
		PKCEOptional: true, Popup: true, IDTokenClaims: "scope", Sector: "example.test", TokenFormat: "opaque",
		Exchange: &auth.ExchangePolicy{Subjects: []auth.ClientID{"*"}, Impersonate: true}, Registration: "digest", DocumentAt: time.Unix(1, 0).UTC(),
	}

	got, err := mergeSettings(said, auth.ClientSettings{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, auth.ClientSettings{}) {
		t.Errorf("a client set what is for operators: %+v", got)
	}

	kept, err := mergeSettings(auth.ClientSettings{LogoURI: "https://app.example.test/logo.png"}, said)
	if err != nil {
		t.Fatal(err)
	}
	said.LogoURI = "https://app.example.test/logo.png"
	if !reflect.DeepEqual(kept, said) {
		t.Errorf("got %+v, want %+v", kept, said)
	}
}
