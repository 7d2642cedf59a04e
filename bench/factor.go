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
	"slices"
	"syscall"
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
// with two factors beside one without a password and one with a password only.
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
	verification, err := factorRow("assertion of a passkey, ES256", "a bare ES256 verification", 5_000, verify, bare)
	if err != nil {
		return err
	}
	return signInRows(codes, verification)
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

// authenticator signs for one passkey that does not count.
type authenticator struct {
	passkey.Passkey
	key    *ecdsa.PrivateKey
	handle []byte
}

const rpID, origin = "auth.example.test", "https://auth.example.test"

func newAuthenticator() (*authenticator, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	return &authenticator{passkey.Passkey{ID: secret.Bytes(32), PublicKey: cose}, key, []byte("u")}, nil
}

// assertion is a response of an authenticator.
type assertion struct {
	response          []byte // AuthenticationResponseJSON
	signed, signature []byte
}

func (k *authenticator) respond(challenge string) (a assertion, err error) {
	clientData, err := json.Marshal(map[string]any{"type": "webauthn.get", "challenge": challenge, "origin": origin, "crossOrigin": false})
	if err != nil {
		return a, err
	}
	hash, client := sha256.Sum256([]byte(rpID)), sha256.Sum256(clientData)
	authData := append(hash[:], 0x05, 0, 0, 0, 0) // present, verified; no counter
	signed := sha256.Sum256(append(slices.Clone(authData), client[:]...))
	a.signed = signed[:]
	if a.signature, err = ecdsa.SignASN1(rand.Reader, k.key, a.signed); err != nil {
		return a, err
	}
	text := base64.RawURLEncoding.EncodeToString
	a.response, err = json.Marshal(map[string]any{
		"id": text(k.ID), "rawId": text(k.ID), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": text(clientData), "authenticatorData": text(authData), "signature": text(a.signature), "userHandle": text(k.handle)},
	})
	return a, err
}

// assertions returns the verification of a passkey's response, and that of its signature only.
func assertions() (verify, bare func() error, err error) {
	rp, err := passkey.NewRelyingParty(rpID, []string{origin})
	if err != nil {
		return nil, nil, err
	}
	k, err := newAuthenticator()
	if err != nil {
		return nil, nil, err
	}
	u := passkey.User{Handle: k.handle, Name: "u", Passkeys: []passkey.Passkey{k.Passkey}}
	_, ceremony, err := rp.Request(&u, true)
	if err != nil {
		return nil, nil, err
	}
	a, err := k.respond(ceremony.Challenge)
	verify = func() error {
		_, err := rp.FinishRequest(ceremony, a.response, func(_, _ []byte) (passkey.User, error) { return u, nil })
		return err
	}
	bare = func() error {
		if !ecdsa.VerifyASN1(&k.key.PublicKey, a.signed, a.signature) {
			return fmt.Errorf("the signature is refused")
		}
		return nil
	}
	return verify, bare, err
}

// signInRows compares sign-ins by the JSON API, on SQLite. The hash of the password costs as little as
// possible, so that the rest shows. The proofs are measured apart and taken off.
func signInRows(code, verification time.Duration) error {
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
	hashing, err := measureEach(500, func() error {
		_, err := s.hasher.Verify(ctx, hash, passphrase)
		return err
	})
	if err != nil {
		return err
	}
	const n = 2000
	var costs [3]signInCost
	for i, prepare := range []func(context.Context, string) (signIn, error){s.byPassword, s.byPasskey, s.byTOTP} {
		way, err := prepare(ctx, hash)
		if err != nil {
			return err
		}
		if costs[i], err = s.measure(n, way); err != nil {
			return err
		}
	}
	password, passkey, both := costs[0].less(hashing, 0), costs[1].less(0, verification), costs[2].less(hashing, code)
	fmt.Printf("\nSign-ins by the JSON API on SQLite, each request durable before its response, without what their proofs cost.\n\n" +
		"| sign-in | first request | second request | both | beside the one by passkey | by password |\n|---|---:|---:|---:|---:|---:|\n")
	for _, row := range []struct {
		what string
		signInCost
	}{{"by password, without its hash", password}, {"by passkey, without its verification", passkey}, {"by password and TOTP, without hash and code", both}} {
		second := ""
		if row.second > 0 {
			second = formatDuration(row.second)
		}
		fmt.Printf("| %s | %s | %s | %s | %.2f × | %.2f × |\n", row.what, formatDuration(row.first), second, formatDuration(row.sum()),
			float64(row.sum())/float64(passkey.sum()), float64(row.sum())/float64(password.sum()))
	}
	fmt.Println()
	return nil
}

// signIn is a way to sign in. second is nil for one that needs one request. between makes what the second
// request sends, and is not measured.
type signIn struct {
	account                auth.AccountID
	first, between, second func() error
}

// signInCost is the CPU time of the requests of a sign-in.
type signInCost struct{ first, second time.Duration }

func (c signInCost) sum() time.Duration { return c.first + c.second }

// less takes the proofs of the requests off.
func (c signInCost) less(first, second time.Duration) signInCost {
	return signInCost{c.first - first, c.second - second}
}

// measure returns what a sign-in costs.
func (s *signIns) measure(n int, way signIn) (c signInCost, err error) {
	timed := func(total *time.Duration, fn func() error) {
		if err == nil && fn != nil {
			before := selfCPU()
			err = fn()
			*total += selfCPU() - before
		}
	}
	var unmeasured time.Duration
	for i := range n {
		if i%20 == 0 { // an account at its limit of sessions would end one at each sign-in
			timed(&unmeasured, func() error {
				return s.db.Write(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
					_, err := tx.EndSessions(way.account, "", auth.EndLogout)
					return err
				})
			})
		}
		s.now = s.now.Add(30 * time.Second)
		timed(&c.first, way.first)
		timed(&unmeasured, way.between)
		timed(&c.second, way.second)
	}
	return signInCost{c.first / time.Duration(n), c.second / time.Duration(n)}, err
}

// selfCPU returns the CPU time of this process, at a tenth of the cost of cpuOf.
func selfCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var signInActor = auth.Actor{IP: "192.0.2.1"}

func (s *signIns) byPassword(_ context.Context, hash string) (signIn, error) {
	id, err := s.insertAccount(hash, "one@example.test")
	return signIn{account: id, first: func() error {
		_, err := s.enterPassword("one@example.test")
		return err
	}}, err
}

func (s *signIns) enterPassword(email string) (login.Result, error) {
	return s.logins.Password(context.Background(), auth.DefaultTenant, login.Request{Email: email, Password: passphrase, Actor: signInActor})
}

func (s *signIns) byPasskey(ctx context.Context, _ string) (signIn, error) {
	id, err := s.insertAccount("", "key@example.test")
	if err != nil {
		return signIn{}, err
	}
	k, err := newAuthenticator()
	if err != nil {
		return signIn{}, err
	}
	k.handle = []byte(id)
	err = s.db.Write(ctx, auth.DefaultTenant, func(tx *store.Tx) error {
		return tx.InsertFactor(auth.Factor{ID: "key", Account: id, Kind: auth.ProofPasskey, Lookup: secret.Encode(k.ID), CreatedAt: tx.Now, ProvedAt: tx.Now,
			Data: auth.FactorData{PublicKey: k.PublicKey, Handle: k.handle, UserVerified: true, Discoverable: true}})
	})
	var options []byte
	var a assertion
	return signIn{
		account: id,
		first: func() (err error) {
			options, err = s.logins.BeginPasskeySignIn(ctx, auth.DefaultTenant, "", auth.Actor{})
			return err
		},
		between: func() (err error) {
			var o struct{ Challenge string }
			if err = json.Unmarshal(options, &o); err == nil {
				a, err = k.respond(o.Challenge)
			}
			return err
		},
		second: func() error {
			_, err := s.logins.Passkey(ctx, auth.DefaultTenant, login.PasskeyRequest{Request: login.Request{Actor: signInActor}, Response: a.response})
			return err
		},
	}, err
}

func (s *signIns) byTOTP(ctx context.Context, hash string) (signIn, error) {
	id, app, err := s.addApp(ctx, hash)
	var r login.Result
	var code string
	return signIn{
		account: id,
		first: func() (err error) {
			r, err = s.enterPassword("two@example.test")
			return err
		},
		between: func() (err error) {
			code, err = upstream.GenerateCode(app, s.now)
			return err
		},
		second: func() error {
			_, err := s.logins.Factor(ctx, auth.DefaultTenant, login.FactorRequest{Token: r.Pending.Token.Reveal(), Method: auth.ProofTOTP, Code: code, Actor: signInActor})
			return err
		},
	}, err
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
	// The clock moves too fast for the cache of keys.
	signing := keys.New(keys.Config{DB: s.db, Now: time.Now, Algorithm: keys.ES256, RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: life})
	if err := tenant.New(tenant.Config{DB: s.db, Keys: signing, Now: clock}).EnsureDefault(context.Background()); err != nil {
		return nil, err
	}
	root := secret.Bytes(32)
	tokens := token.New(token.Config{Lifetimes: life, DB: s.db, Keys: signing, Base: origin, Now: clock, Root: root})
	rp, err := passkey.NewRelyingParty(rpID, []string{origin})
	if err != nil {
		return nil, err
	}
	unlimited := limit.Rate{Count: 1_000_000, Per: time.Second}
	s.logins = login.New(login.Config{
		DB: s.db, Flows: flow.New(flow.Config{DB: s.db, Tokens: tokens, Root: root, Base: origin}), Hasher: s.hasher, Tokens: tokens,
		Passkeys: rp, Sessions: session.New(session.Config{DB: s.db, Lifetimes: life}), Limiter: limit.NewMemory(1024, clock), Now: clock, Root: root,
		Rates: limit.Rates{"login.account": unlimited, "login.success": unlimited, "factor.account": unlimited, "factor.day": unlimited, "email_code.account": unlimited},
	})
	return s, nil
}

func (s *signIns) insertAccount(hash, email string) (id auth.AccountID, err error) {
	err = s.db.Write(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
		id = auth.AccountID(secret.NewID(tx.Now))
		a := auth.Account{ID: id, Email: auth.Email{Address: email, Login: email}, EmailVerifiedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now}
		if err := tx.InsertAccount(a); err != nil {
			return err
		}
		if hash == "" {
			return nil
		}
		return tx.SetPassword(id, hash)
	})
	return id, err
}

// addApp creates an account with an authenticator app and returns the secret of the app.
func (s *signIns) addApp(ctx context.Context, hash string) (id auth.AccountID, _ string, err error) {
	if id, err = s.insertAccount(hash, "two@example.test"); err != nil {
		return id, "", err
	}
	by := auth.Actor{Kind: auth.ActorAccount, ID: string(id), IP: signInActor.IP}
	app, err := s.logins.BeginTOTP(ctx, auth.DefaultTenant, "", by)
	if err != nil {
		return id, "", err
	}
	code, err := upstream.GenerateCode(app.Secret.Reveal(), s.now)
	if err != nil {
		return id, "", err
	}
	_, err = s.logins.ConfirmTOTP(ctx, auth.DefaultTenant, app.ID, code, by)
	return id, app.Secret.Reveal(), err
}
