package attacks_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// singleUseModel models a single-use secret of a sequential server: the first attempt gets
// tokens, every other is refused.
var singleUseModel = porcupine.Model{
	Init: func() any { return false },
	Step: func(state, _, output any) (bool, any) {
		used, got := state.(bool), output.(string)
		if used {
			return got == "invalid_grant", true
		}
		return got == "tokens", true
	},
	DescribeOperation: func(_, out any) string { return fmt.Sprint(out) },
}

// requireSingleUse spends a secret on every node at once, twice each, and checks the responses
// against the model.
func requireSingleUse(t *testing.T, nodes []*servertest.Server, c testClient, form url.Values) {
	t.Helper()
	var mu sync.Mutex
	var ops []porcupine.Operation
	begin := time.Now()
	runAtOnce(2*len(nodes), func(i int) {
		call := time.Since(begin).Nanoseconds()
		r := postForm(t, nodes[i%len(nodes)], "/oauth2/token", form.Encode(), c.basic())
		back := time.Since(begin).Nanoseconds()
		var answer struct {
			Access string `json:"access_token"`
			Error  string `json:"error"`
		}
		if err := json.Unmarshal(r.Body, &answer); err != nil {
			t.Errorf("status %d: %s", r.Status, r.Body)
		}
		if answer.Access != "" {
			answer.Error = "tokens"
		}
		mu.Lock()
		defer mu.Unlock()
		ops = append(ops, porcupine.Operation{ClientId: i, Call: call, Output: answer.Error, Return: back})
	})
	if !porcupine.CheckOperations(singleUseModel, ops) {
		t.Fatalf("no single server would have answered so: %+v", ops)
	}
}

// TestAttack_FL_11_GrantsOnTwoNodes: a code, a refresh token and a device code work once when
// two nodes get them at the same moment (FL-10, TK-02, TK-34).
func TestAttack_FL_11_GrantsOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2, servertest.Configure(func(c *config.Config) { c.Tokens.RefreshGrace = 0 }))
	c := createClient(t, nodes[0], auth.DefaultTenant, client.Registration{
		Name: "Ledger", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}, Scopes: []string{"openid", "offline_access"},
		ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode}},
	})
	createAccount(t, nodes[0], alice)
	b := nodes[0].Browser(t)
	t.Run("FL-11 TK-02 code", func(t *testing.T) {
		for range scaled(5, 40) {
			requireSingleUse(t, nodes, c, redemption(authorizeAs(t, b, c)))
		}
	})
	t.Run("FL-10 RT-02 refresh token", func(t *testing.T) {
		for range scaled(5, 40) {
			r := postForm(t, nodes[0], "/oauth2/token", redemption(authorizeAs(t, b, c)).Encode(), c.basic()).Want(t, 200)
			token := decode[servertest.Tokens](t, r).RefreshToken
			requireSingleUse(t, nodes, c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		}
	})
	t.Run("FL-11 TK-34 device code", func(t *testing.T) {
		for range scaled(3, 15) {
			requireSingleUse(t, nodes, c, url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {approvedDevice(t, nodes[0], b, c)}})
		}
	})
}

// authorizeAs returns a code for alice and signs her in if needed.
func authorizeAs(t *testing.T, b *servertest.Browser, c testClient) string {
	t.Helper()
	page := b.Open(authorizationQuery(c, "scope", "openid offline_access"))
	if page.Has("password") {
		page = signIn(t, b, alice)
	}
	return page.Answer(t).Get("code")
}

func redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {ledgerCallback}, "code_verifier": {pkceVerifier}}
}

// approvedDevice returns the device code of a device that alice has approved.
func approvedDevice(t *testing.T, s *servertest.Server, b *servertest.Browser, c testClient) string {
	t.Helper()
	asked := decode[struct {
		Device   string `json:"device_code"`
		Complete string `json:"verification_uri_complete"`
	}](t, postForm(t, s, "/oauth2/device_authorization", "scope=openid", c.basic()).Want(t, 200))
	b.Open(strings.TrimPrefix(asked.Complete, s.Issuer)).Want(t, 200)
	b.Press("submit").Want(t, 200)
	b.Press("approve").Want(t, 200)
	return asked.Device
}
