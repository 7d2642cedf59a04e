package passkey_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/passkey/passkeytest"
	"github.com/watchword-auth/watchword/internal/secret"
)

const origin, rpID = "https://id.example.test", "id.example.test"

type fixture struct {
	*testing.T
	rp            *passkey.RelyingParty
	user          passkey.User
	authenticator *passkeytest.Authenticator
}

// newFixture returns a user with one passkey.
func newFixture(t *testing.T, change ...func(*passkeytest.Authenticator)) *fixture {
	t.Helper()
	rp, err := passkey.NewRelyingParty(rpID, []string{origin})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, rp: rp, authenticator: passkeytest.New(origin, rpID)}
	f.user = passkey.User{Handle: secret.Bytes(32), Name: "ann@example.test", Display: "Ann"}
	for _, c := range change {
		c(f.authenticator)
	}
	p, err := f.create(false)
	if err != nil {
		t.Fatal(err)
	}
	f.user.Passkeys = []passkey.Passkey{p}
	return f
}

func (f *fixture) create(conditional bool) (passkey.Passkey, error) {
	f.Helper()
	options, c, err := f.rp.Create(passkey.Creation{User: f.user, Name: "Example", Conditional: conditional})
	if err != nil {
		f.Fatal(err)
	}
	return f.rp.FinishCreate(stored(f.T, c), f.user, f.authenticator.Create(f, options))
}

// authenticate signs the user in; without a known user if discoverable.
func (f *fixture) authenticate(discoverable, verify bool) (passkey.Assertion, error) {
	f.Helper()
	u := &f.user
	if discoverable {
		u = nil
	}
	options, c, err := f.rp.Request(u, verify)
	if err != nil {
		f.Fatal(err)
	}
	return f.rp.FinishRequest(stored(f.T, c), f.authenticator.Get(f, options), f.find)
}

var errNobody = errors.New("nobody")

func (f *fixture) find(_, handle []byte) (passkey.User, error) {
	if !bytes.Equal(handle, f.user.Handle) {
		return passkey.User{}, errNobody
	}
	return f.user, nil
}

// stored is the ceremony as the database returns it.
func stored(t *testing.T, c passkey.Ceremony) (out passkey.Ceremony) {
	t.Helper()
	raw, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCeremonies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(a *passkeytest.Authenticator) { a.AAGUID, a.Synced = [16]byte{1, 2}, true })
	p := f.user.Passkeys[0]
	if len(p.ID) != 32 || len(p.PublicKey) == 0 || p.AAGUID[1] != 2 || !p.BackupEligible || !p.BackedUp || !p.UserVerified || !p.Discoverable ||
		strings.Join(p.Transports, " ") != "internal hybrid" {
		t.Errorf("%+v", p)
	}
	for _, discoverable := range []bool{false, true} {
		for _, verify := range []bool{false, true} {
			a, err := f.authenticate(discoverable, verify)
			if err != nil || !a.UserVerified || a.Regressed || a.Passkey.Counter <= p.Counter || !bytes.Equal(a.User.Handle, f.user.Handle) {
				t.Errorf("discoverable %t, verify %t: %+v, %v", discoverable, verify, a, err)
			}
		}
	}
	f.authenticator.Verifies = false
	if a, err := f.authenticate(false, false); err != nil || a.UserVerified {
		t.Errorf("without verification: %+v, %v", a, err)
	}
}

// TestBackupEligibility: a passkey that begins to be synced still signs in, and counts as synced from then
// on, whatever its authenticator says later.
func TestBackupEligibility(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, synced := range []bool{false, true, false} {
		f.authenticator.Synced = synced
		a, err := f.authenticate(i%2 == 0, false)
		if err != nil || a.Passkey.BackupEligible != (i > 0) {
			t.Errorf("%d: %+v, %v", i, a.Passkey, err)
		}
		f.user.Passkeys[0] = a.Passkey
	}
}

// TestOptions: what the browser gets has what it needs, and no more about the user than the
// authenticator shows.
func TestOptions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	options, _, err := f.rp.Create(passkey.Creation{User: f.user, Name: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"id":"id.example.test"`, `"name":"ann@example.test"`, `"residentKey":"preferred"`, `"attestation":"none"`, `"excludeCredentials":[{`, `"credProps":true`} {
		if !strings.Contains(string(options), want) {
			t.Errorf("%s lacks %s", options, want)
		}
	}
	options, _, err = f.rp.Request(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(options), "allowCredentials") || !strings.Contains(string(options), `"userVerification":"required"`) {
		t.Errorf("%s", options)
	}
}

// TestAttack_MF_09_Responses: a response that is not exactly the one to these options is refused.
func TestAttack_MF_09_Responses(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*passkeytest.Authenticator){
		"another challenge":       func(a *passkeytest.Authenticator) { a.Challenge = secret.Encode(secret.Bytes(32)) },
		"no challenge":            func(a *passkeytest.Authenticator) { a.Challenge = "AA" },
		"another origin":          func(a *passkeytest.Authenticator) { a.Origin = "https://id.example.test.evil.test" },
		"a port":                  func(a *passkeytest.Authenticator) { a.Origin = origin + ":8443" },
		"http":                    func(a *passkeytest.Authenticator) { a.Origin = "http://" + rpID },
		"another relying party":   func(a *passkeytest.Authenticator) { a.RPID = "example.test" },
		"no user present":         func(a *passkeytest.Authenticator) { a.NoUser = true },
		"the other ceremony":      func(a *passkeytest.Authenticator) { a.Type = "payment.get" },
		"truncated authenticator": func(a *passkeytest.Authenticator) { a.Tamper = func(c, d []byte) ([]byte, []byte) { return c, d[:36] } },
		"trailing authenticator": func(a *passkeytest.Authenticator) {
			a.Tamper = func(c, d []byte) ([]byte, []byte) { return c, append(d, 1, 2, 3) }
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			change(f.authenticator)
			if p, err := f.create(false); !errors.Is(err, passkey.ErrRefused) {
				t.Errorf("created %+v, %v", p, err)
			}
			f = newFixture(t)
			change(f.authenticator)
			for _, discoverable := range []bool{false, true} {
				if a, err := f.authenticate(discoverable, false); !errors.Is(err, passkey.ErrRefused) {
					t.Errorf("discoverable %t: %+v, %v", discoverable, a, err)
				}
			}
		})
	}
	t.Run("user not verified", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.authenticator.Verifies = false
		if a, err := f.authenticate(true, true); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("signature", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.user.Passkeys[0].PublicKey = newFixture(t).user.Passkeys[0].PublicKey
		if a, err := f.authenticate(false, false); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("passkey that was not allowed", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		options, c, err := f.rp.Request(&f.user, false)
		if err != nil {
			t.Fatal(err)
		}
		second, err := f.create(false)
		if err != nil {
			t.Fatal(err)
		}
		f.user.Passkeys = append(f.user.Passkeys, second)
		if a, err := f.rp.FinishRequest(c, f.authenticator.Get(t, options), f.find); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// TestAttack_MF_11_UserHandle: the passkey of one user does not sign another one in.
func TestAttack_MF_11_UserHandle(t *testing.T) {
	t.Parallel()
	alice, bob := newFixture(t), newFixture(t)
	options, c, err := alice.rp.Request(&alice.user, false)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := alice.rp.FinishRequest(c, bob.authenticator.Get(t, options), alice.find); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("%+v, %v", a, err)
	}
	options, c, err = alice.rp.Request(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := alice.rp.FinishRequest(c, bob.authenticator.Get(t, options), alice.find); !errors.Is(err, errNobody) {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAttack_MF_12_Counter: a counter that does not rise is reported, and not stored.
func TestAttack_MF_12_Counter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user.Passkeys[0].Counter = 100
	for _, counter := range []uint32{50, 100, 0} {
		f.authenticator.Counter = counter
		if a, err := f.authenticate(false, false); err != nil || !a.Regressed || a.Passkey.Counter != 100 {
			t.Errorf("counter %d: %+v, %v", counter, a, err)
		}
	}
	f.user.Passkeys[0].Counter, f.authenticator.Counter = 0, 0 // one that does not count
	if a, err := f.authenticate(false, false); err != nil || a.Regressed {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestConditionalCreation: only the options for it allow a creation without a gesture.
// rsaKey returns a COSE_Key of RSA with RS256.
func rsaKey(modulus, exponent []byte) []byte {
	key := []byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59} // kty RSA, alg RS256, n
	key = append(binary.BigEndian.AppendUint16(key, uint16(len(modulus))), modulus...)
	return append(append(key, 0x21, byte(0x40+len(exponent))), exponent...) // e
}

// TestAttack_HT_15_LargeKeys registers keys whose verification would cost seconds. Whoever registered one
// could then send signatures without an account.
func TestAttack_HT_15_LargeKeys(t *testing.T) {
	t.Parallel()
	modulus := func(size int) []byte {
		n := secret.Bytes(size)
		n[0], n[size-1] = 0xff, n[size-1]|1
		return n
	}
	for name, tt := range map[string]struct {
		key            []byte
		reason, stored string // why it is refused, when it is new and when it is stored; empty if it is not
	}{
		"2048 bits":      {rsaKey(modulus(256), []byte{1, 0, 1}), "", ""},
		"4096 bits":      {rsaKey(modulus(512), []byte{0, 1, 0, 1}), "", ""},
		"4104 bits":      {rsaKey(modulus(513), []byte{1, 0, 1}), "4096 bits", "4096 bits"},
		"a large key":    {rsaKey(modulus(4<<10), []byte{1, 0, 1}), "1024", "1024"},
		"a large body":   {rsaKey(modulus(40<<10), []byte{1, 0, 1}), "16384", "1024"},
		"large exponent": {rsaKey(modulus(256), []byte{0x7f, 0xff, 0xff, 0xff}), "65537", "65537"},
		"exponent 3":     {rsaKey(modulus(256), []byte{3}), "65537", "65537"},
		"no key":         {[]byte{0xa0}, "its key", "its key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.authenticator.PublicKey = tt.key
			if _, err := f.create(false); tt.reason == "" {
				if err != nil {
					t.Errorf("created: %v", err)
				}
			} else if !errors.Is(err, passkey.ErrRefused) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("created: %v", err)
			}
			f = newFixture(t)
			f.user.Passkeys[0].PublicKey = tt.key // as an earlier version stored it
			if _, err := f.authenticate(true, true); !errors.Is(err, passkey.ErrRefused) || tt.stored != "" && !strings.Contains(err.Error(), tt.stored) {
				t.Errorf("authenticated: %v", err)
			}
		})
	}
	f := newFixture(t)
	if _, err := passkey.ParseResponse(append(bytes.Repeat([]byte(" "), 16<<10), f.authenticator.Get(t, []byte(`{"challenge":"YQ"}`))...)); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("parsed: %v", err)
	}
}

func TestConditionalCreation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.authenticator.NoUser, f.authenticator.Verifies = true, false
	if p, err := f.create(true); err != nil || p.UserVerified {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := f.create(false); !errors.Is(err, passkey.ErrRefused) {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzResponses(f *testing.F) {
	rp, err := passkey.NewRelyingParty(rpID, []string{origin})
	if err != nil {
		f.Fatal(err)
	}
	u := passkey.User{Handle: []byte("handle"), Name: "a", Display: "a"}
	a := passkeytest.New(origin, rpID)
	options, c, err := rp.Create(passkey.Creation{User: u, Name: "Example"})
	if err != nil {
		f.Fatal(err)
	}
	request, rc, err := rp.Request(nil, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Create(f, options))
	f.Add(a.Get(f, request))
	for _, s := range []string{"", "{}", "null", `{"id":"","rawId":"","type":"public-key","response":{}}`, "[[[[[["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, in []byte) {
		_, _ = rp.FinishCreate(c, u, in)
		_, _ = rp.FinishRequest(rc, in, func(_, _ []byte) (passkey.User, error) { return u, nil })
	})
}
