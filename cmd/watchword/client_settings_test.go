package main

import (
	"reflect"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
)

// What a flag says of a client is an operator's word, which holds against the client's.
func TestRepair_S8_FlagsSetBounds(t *testing.T) {
	yes := true
	var r client.Registration
	err := clientFlags{Scope: []string{"openid"}, Grant: []string{"device_code"}, DPoP: &yes, PAR: &yes, SignedRequests: &yes}.apply(&r)
	b := r.Bounds
	if err != nil || len(b.Scopes) != 1 || len(b.Grants) != 1 || b.Grants[0] != auth.GrantDeviceCode || !b.DPoP || !b.RequirePushed || !b.RequireSignedRequest {
		t.Errorf("%+v, %v", b, err)
	}
	r = client.Registration{}
	if err := (clientFlags{Grant: []string{""}, Scope: []string{""}}).apply(&r); err != nil || r.Grants == nil || r.Scopes == nil || r.Bounds.Grants == nil || r.Bounds.Scopes == nil {
		t.Errorf("one empty value does not empty the list: %+v, %v", r, err)
	}
	r = client.Registration{}
	if err := (clientFlags{}).apply(&r); err != nil || !r.Bounds.Empty() {
		t.Errorf("no flag says %+v, %v", r.Bounds, err)
	}
}

func TestSet_SetsMetadataMembers(t *testing.T) {
	t.Parallel()
	var r client.Registration
	err := clientFlags{Set: []string{"default_max_age=3600", `contacts=["a@example.test"]`, "require_auth_time=true", "logo_uri=https://a.example.test/=.png"}}.apply(&r)
	if err != nil || *r.DefaultMaxAge != 3600 || len(r.Contacts) != 1 || !r.RequireAuthTime || !r.Bounds.RequireAuthTime || r.LogoURI != "https://a.example.test/=.png" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, given := range []string{"", "logo", "sector=a", "registration=a", "contacts=a", `contacts="a"`, "popup=yes", "popup=1"} {
		if err := (clientFlags{Set: []string{given}}).apply(&r); err == nil {
			t.Errorf("--set %q is accepted", given)
		}
	}
}

// A flag whose setting does not exist would fail whoever gives it.
func TestFlags_NameKnownSettings(t *testing.T) {
	t.Parallel()
	for f := range reflect.TypeFor[clientFlags]().Fields() {
		if name := f.Tag.Get("setting"); name != "" && new(client.Registration).Patch([]byte(`{"`+name+`":null}`)) != nil {
			t.Errorf("%s: %q is no setting", f.Name, name)
		}
	}
}
