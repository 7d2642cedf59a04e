package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	upstream "github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/tenant"
	"github.com/watchword-auth/watchword/internal/token"
)

// factorSection measures second factors in this process: verification beside bare cryptography, and a sign-in
// with two factors beside one with a password only.
func factorSection(*bench) error {
	fmt.Print("### Second factors\n\nIn this process, one after the other; CPU of each.\n\n| what | CPU | beside |\n|---|---:|---:|\n")
	codes, err := factorRow("TOTP code, compared with three steps", "three bare HMACs with SHA-1", 50_000, verifyTOTP(), bareTOTP())
	if err != nil {
		return err
	}
	verify, bare, err := assertions()
	if err != nil {
		return err
	}
	if _, err := factorRow("assertion of a passkey, ES256", "a bare ES256 verification", 5_000, verify, bare); err != nil {
		return err
	}
	return signInRows(codes)
}

// factorRow prints what two operations cost, and returns the cost of the first.
func factorRow(what, beside string, n int, one, other func() error) (time.Duration, error) {
	took, err := measureEach(n, one)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	reference, err := measureEach(n, other)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", beside, err)
	}
	fmt.Printf("| %s | %s | %s: %s, %.2f × |\n", what, formatDuration(took), beside, formatDuration(reference), float64(took)/float64(reference))
	return took, nil
}

// measureEach returns the CPU time of one call.
func measureEach(n int, fn func() error) (time.Duration, error) {
	before, err := cpuOf(os.Getpid())
	if err != nil {
		return 0, err
	}
	for range n {
		if err := fn(); err != nil {
			return 0, err
		}
	}
	after, err := cpuOf(os.Getpid())
	return (after - before) / time.Duration(n), err
}

func verifyTOTP() func() error {
	app, now := otp.NewTOTP(), time.Now()
	code, err := upstream.GenerateCode(app.Secret(), now)
	return func() error {
		if _, ok := app.Match(code, now, 0); err != nil || !ok {
			return fmt.Errorf("the code is refused (%w)", err)
		}
		return nil
	}
}

func bareTOTP() func() error {
	seed := secret.Bytes(20)
	return func() error {
		for step := range 3 {
			m := hmac.New(sha1.New, seed)
			m.Write([]byte{7: byte(step)})
			m.Sum(nil)
		}
		return nil
	}
}

// assertions returns the verification of a passkey's response, and that of its signature only.
func assertions() (verify, bare func() error, err error) {
	const rpID, origin = "auth.example.test", "https://auth.example.test"
	rp, err := passkey.NewRelyingParty(rpID, []string{origin})
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, nil, err
	}
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	u := passkey.User{Handle: []byte("u"), Name: "u", Passkeys: []passkey.Passkey{{ID: secret.Bytes(32), PublicKey: cose}}}
	_, ceremony, err := rp.Request(&u, true)
	if err != nil {
		return nil, nil, err
	}

	clientData, err := json.Marshal(map[string]any{"type": "webauthn.get", "challenge": ceremony.Challenge, "origin": origin, "crossOrigin": false})
	if err != nil {
		return nil, nil, err
	}
	hash := sha256.Sum256([]byte(rpID))
	authData := append(hash[:], 0x05, 0, 0, 0, 0) // present, verified; no counter
	client := sha256.Sum256(clientData)
	signed := sha256.Sum256(append(append([]byte{}, authData...), client[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, key, signed[:])
	if err != nil {
		return nil, nil, err
	}
	text := base64.RawURLEncoding.EncodeToString
	response, err := json.Marshal(map[string]any{
		"id": text(u.Passkeys[0].ID), "rawId": text(u.Passkeys[0].ID), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": text(clientData), "authenticatorData": text(authData), "signature": text(signature), "userHandle": text(u.Handle)},
	})
	verify = func() error {
		_, err := rp.FinishRequest(ceremony, response, func(_, _ []byte) (passkey.User, error) { return u, nil })
		return err
	}
	bare = func() error {
		if !ecdsa.VerifyASN1(&key.PublicKey, signed[:], signature) {
			return fmt.Errorf("the signature is refused")
		}
		return nil
	}
	return verify, bare, err
}

// signInRows compares sign-ins by the JSON API, on SQLite. The hash of the password costs as little as
// possible, so that the rest shows.
func signInRows(code time.Duration) error {
	s, err := newSignIns()
	if err != nil {
		return err
	}
	defer s.db.Close()
	ctx := context.Background()
	hash, err := s.hasher.Hash(ctx, passphrase)
	if err != nil {
		return err
	}
	proof, err := measureEach(500, func() error {
		_, err := s.hasher.Verify(ctx, hash, passphrase)
		return err
	})
	if err != nil {
		return err
	}
	const n = 1000
	one, err := s.measure(n, hash, "one@example.test", func(login.Result) error { return nil })
	if err != nil {
		return err
	}
	app, err := s.addApp(ctx, hash)
	if err != nil {
		return err
	}
	two, err := s.measure(n, "", "two@example.test", func(r login.Result) error {
		code, err := upstream.GenerateCode(app, s.now)
		if err != nil {
			return err
		}
		_, err = s.logins.Factor(ctx, auth.DefaultTenant, login.FactorRequest{Token: r.Pending.Token.Reveal(), Method: auth.ProofTOTP, Code: code, Actor: auth.Actor{IP: "192.0.2.1"}})
		return err
	})
	if err != nil {
		return err
	}
	local := one - proof
	fmt.Printf("| sign-in by password, without its hash | %s | |\n", formatDuration(local))
	fmt.Printf("| sign-in by password and TOTP, in two requests, without hash and code | %s | the one above: %.2f × |\n\n", formatDuration(two-proof-code), float64(two-proof-code)/float64(local))
	return nil
}

// signIns are the services of a sign-in, with a clock that only the measurement moves.
type signIns struct {
	db     *store.DB
	hasher *password.Hasher
	logins *login.Service
	now    time.Time
}

func newSignIns() (*signIns, error) {
	s := &signIns{now: time.Now()}
	clock := func() time.Time { return s.now }
	ring, err := secret.NewKeyring(secret.Bytes(32))
	if err != nil {
		return nil, err
	}
	if s.db, err = store.Open(context.Background(), store.Config{URL: "sqlite:" + filepath.Join(scratchDir, "factor.db"), Keyring: ring, Now: clock}); err != nil {
		return nil, err
	}
	if s.hasher, err = password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Parallelism: 1}, MaxMemory: 64 << 10, MaxWait: time.Minute, Now: time.Now}); err != nil {
		return nil, err
	}
	life := auth.Lifetimes{Access: 15 * time.Minute, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 48 * time.Hour, SessionIdle: 24 * time.Hour, SessionAbsolute: 48 * time.Hour}
	signing := keys.New(keys.Config{DB: s.db, Now: clock, Algorithm: keys.ES256, RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: life})
	if err := tenant.New(tenant.Config{DB: s.db, Keys: signing, Now: clock}).EnsureDefault(context.Background()); err != nil {
		return nil, err
	}
	root := secret.Bytes(32)
	tokens := token.New(token.Config{Lifetimes: life, DB: s.db, Keys: signing, Base: "https://auth.example.test", Now: clock, Root: root})
	unlimited := limit.Rate{Count: 1_000_000, Per: time.Second}
	s.logins = login.New(login.Config{
		DB: s.db, Flows: flow.New(flow.Config{DB: s.db, Tokens: tokens, Root: root, Base: "https://auth.example.test"}), Hasher: s.hasher, Tokens: tokens,
		Sessions: session.New(session.Config{DB: s.db, Lifetimes: life}), Limiter: limit.NewMemory(1024, clock), Now: clock, Root: root,
		Rates: limit.Rates{"login.account": unlimited, "login.success": unlimited, "factor.account": unlimited, "factor.day": unlimited, "email_code.account": unlimited},
	})
	return s, nil
}

// measure returns what a sign-in costs. The account is created if there is a hash for it.
func (s *signIns) measure(n int, hash, email string, finish func(login.Result) error) (time.Duration, error) {
	ctx := context.Background()
	if hash != "" {
		if _, err := s.insertAccount(hash, email); err != nil {
			return 0, err
		}
	}
	return measureEach(n, func() error {
		s.now = s.now.Add(30 * time.Second)
		r, err := s.logins.Password(ctx, auth.DefaultTenant, login.Request{Email: email, Password: passphrase, Actor: auth.Actor{IP: "192.0.2.1"}})
		if err != nil {
			return err
		}
		return finish(r)
	})
}

func (s *signIns) insertAccount(hash, email string) (id auth.AccountID, err error) {
	err = s.db.Write(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
		id = auth.AccountID(secret.NewID(tx.Now))
		a := auth.Account{ID: id, Email: auth.Email{Address: email, Login: email}, EmailVerifiedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now}
		if err := tx.InsertAccount(a); err != nil {
			return err
		}
		return tx.SetPassword(id, hash)
	})
	return id, err
}

// addApp creates an account with an authenticator app and returns the secret of the app.
func (s *signIns) addApp(ctx context.Context, hash string) (string, error) {
	id, err := s.insertAccount(hash, "two@example.test")
	if err != nil {
		return "", err
	}
	by := auth.Actor{Kind: auth.ActorAccount, ID: string(id), IP: "192.0.2.1"}
	app, err := s.logins.BeginTOTP(ctx, auth.DefaultTenant, "", by)
	if err != nil {
		return "", err
	}
	code, err := upstream.GenerateCode(app.Secret.Reveal(), s.now)
	if err != nil {
		return "", err
	}
	_, err = s.logins.ConfirmTOTP(ctx, auth.DefaultTenant, app.ID, code, by)
	return app.Secret.Reveal(), err
}
