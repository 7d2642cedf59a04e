package main

import (
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
