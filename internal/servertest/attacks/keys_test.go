package attacks_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestAttack_OP_02_DatabaseAlone: a copy of the database without the master key cannot sign,
// and contains no private key.
func TestAttack_OP_02_DatabaseAlone(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		db := openDatabase(t, s.Config.DatabaseURL())
		rows, err := db.Query("SELECT sealed FROM signing_keys UNION ALL SELECT value FROM settings WHERE tenant_id = ''")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			var sealed []byte
			if err := rows.Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			for i := range sealed {
				var any asn1.RawValue
				if rest, err := asn1.Unmarshal(sealed[i:], &any); err == nil && len(any.FullBytes) > 32 {
					if _, err := x509.ParsePKCS8PrivateKey(any.FullBytes); err == nil {
						t.Errorf("OP-02: a private key at byte %d, before %d others", i, len(rest))
					}
					if _, err := x509.ParseECPrivateKey(any.FullBytes); err == nil {
						t.Errorf("OP-02: a private key at byte %d", i)
					}
				}
			}
			if bytes.Contains(sealed, []byte(`"d":`)) || bytes.Contains(sealed, []byte("PRIVATE")) {
				t.Errorf("OP-02: readable: %q", sealed)
			}
		}
		if n < 2 {
			t.Fatalf("only %d sealed values", n)
		}
		other := *s.Config
		setKey(t, &other, secret.Bytes(32))
		got, err := server.New(t.Context(), &other, server.Options{Dev: true, Now: s.Clock.Now})
		if err == nil {
			got.Close()
			t.Fatal("OP-02: the server starts under another master key")
		}
		if !strings.Contains(err.Error(), "master key") {
			t.Errorf("OP-02: error %v", err)
		}
	})
}

// verifier checks tokens with guard, as a service does, and counts failures.
type verifier struct {
	guard    *guard.Guard
	good     atomic.Int64
	mu       sync.Mutex
	failures []error // owned by mu
}

func newVerifier(t testing.TB, s *servertest.Server) *verifier {
	t.Helper()
	g, err := guard.New(t.Context(), guard.Config{Issuer: s.Issuer, Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return &verifier{guard: g}
}

func (v *verifier) check(token string) {
	if _, err := v.guard.Verify(context.Background(), token); err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.failures = append(v.failures, err)
		return
	}
	v.good.Add(1)
}

// TestAttack_OP_03_Rotations rotates the signing key and the master key under load on two
// nodes: no verification fails, and sealed values stay readable.
func TestAttack_OP_03_Rotations(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		v := newVerifier(t, s)
		old := s.SignUp(t, alice)
		v.check(old.AccessToken)
		var steps sync.RWMutex // held to move the clock, so that no token is made and read at two times
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			email := newEmail()
			createAccount(t, s, email)
			token := s.Login(t, email, servertest.Password).RefreshToken
			wg.Go(func() {
				for ctx.Err() == nil {
					steps.RLock()
					r, err := s.Try("POST", api("/refresh"), body{"refresh_token": token})
					if err != nil || r.Status != 200 {
						t.Errorf("refresh: %d %v %s", r.Status, err, r.Body)
						steps.RUnlock()
						return
					}
					tokens := decode[servertest.Tokens](t, r)
					v.check(tokens.AccessToken)
					v.check(tokens.AccessToken) // from the cache
					token = tokens.RefreshToken
					steps.RUnlock()
				}
			})
		}
		kids := map[string]bool{}
		for range scaled(3, 12) {
			if err := s.Keys.Rotate(t.Context(), auth.DefaultTenant, "ES256", auth.System); err != nil {
				t.Fatal(err)
			}
			for range 8 {
				time.Sleep(5 * time.Millisecond)
				steps.Lock()
				s.Clock.Advance(s.Config.Keys.PublishAhead / 4)
				steps.Unlock()
			}
			kids[strings.SplitN(s.Login(t, alice, servertest.Password).AccessToken, ".", 2)[0]] = true
			if err := s.Keys.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(kids) != scaled(3, 12) {
			t.Errorf("%d keys have signed", len(kids))
		}

		// The master key: a node with both keys reseals everything.
		fresh := secret.Bytes(32)
		both := s.Join(t, servertest.Configure(func(c *config.Config) {
			c.MasterKeyPrevious = c.MasterKey
			setKey(t, c, fresh)
		}))
		n, err := both.Keys.Reseal(t.Context(), auth.System)
		if err != nil || n < 2 {
			t.Errorf("%d values sealed anew, %v", n, err)
		}
		alone := s.Join(t, servertest.Configure(func(c *config.Config) { setKey(t, c, fresh) }))
		for _, node := range []*servertest.Server{both, alone, s} {
			tokens := node.Login(t, alice, servertest.Password)
			v.check(tokens.AccessToken)
			me(t, node, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
		}
		token := rotate(t, alone, s.Login(t, alice, servertest.Password).RefreshToken)
		v.check(token.AccessToken)
		stop()
		wg.Wait()
		if len(v.failures) > 0 || v.good.Load() < 50 {
			t.Errorf("OP-03: %d good, %d failed: %v", v.good.Load(), len(v.failures), v.failures)
		}
		t.Logf("%d verifications", v.good.Load())
	}, servertest.Configure(func(c *config.Config) {
		c.Keys.PublishAhead, c.Keys.JWKSMaxAge = 4*time.Minute, 30*time.Second
	}))
}

func setKey(t testing.TB, c *config.Config, key []byte) {
	t.Helper()
	c.MasterKey = config.Key{}
	if err := c.MasterKey.UnmarshalText([]byte(base64Of(key))); err != nil {
		t.Fatal(err)
	}
}
