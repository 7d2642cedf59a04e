package password

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// vector is a hash that another system made; testdata/foreign.py writes them.
type vector struct {
	Scheme    string `json:"scheme"`
	Password  string `json:"password"`
	Hash      string `json:"hash"`
	FlaskSalt string `json:"flask_salt"`
}

func foreignVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/foreign.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(text, &vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestAttack_OP_06_ForeignHashesVerifyAndUpgrade(t *testing.T) {
	t.Parallel()
	schemes := map[string]bool{}
	for _, v := range foreignVectors(t) {
		schemes[v.Scheme] = true
		h := newHasher(t, func(c *Config) { c.FlaskSalts = map[string]string{"": v.FlaskSalt} })
		if got, err := h.Identify(v.Hash); err != nil || got != v.Scheme {
			t.Errorf("Identify(%q) = %q, %v, want %q", v.Hash, got, err, v.Scheme)
			continue
		}
		for _, typed := range []string{v.Password, norm.NFC.String(v.Password), norm.NFD.String(v.Password)} {
			if got := verify(t, h, v.Hash, typed); got != (Result{OK: true, Rehash: true}) {
				t.Errorf("%s: Verify(%q, %q) = %+v, want OK and Rehash", v.Scheme, v.Hash, typed, got)
			}
		}
		last := v.Password[len(v.Password)-1]
		for _, wrong := range []string{"", v.Password + " ", " " + v.Password, v.Password[:len(v.Password)-1] + string(rune(last&0x7f^1))} {
			if got, err := h.Verify(t.Context(), v.Hash, wrong); got.OK && err == nil {
				t.Errorf("%s: %q matches the hash of %q", v.Scheme, wrong, v.Password)
			}
		}
		if encoded := mustHash(t, h, v.Password); !strings.HasPrefix(encoded, "$argon2id$") || verify(t, h, encoded, v.Password) != (Result{OK: true}) {
			t.Errorf("%s: the new hash %q is not current", v.Scheme, encoded)
		}
	}
	if len(schemes) < 20 {
		t.Errorf("only %d schemes have vectors", len(schemes))
	}
}

func TestFlaskSecurityNamesItsSalt(t *testing.T) {
	t.Parallel()
	var v vector
	for _, v = range foreignVectors(t) {
		if v.FlaskSalt != "" {
			break
		}
	}
	h := newHasher(t, func(c *Config) { c.FlaskSalts = map[string]string{"shop": v.FlaskSalt, "blog": "another"} })
	inner := strings.TrimPrefix(v.Hash, "flask-security$")
	if !verify(t, h, FlaskSecurity("shop", inner), v.Password).OK {
		t.Error("the named salt does not verify")
	}
	if verify(t, h, FlaskSecurity("blog", inner), v.Password).OK {
		t.Error("another salt verifies")
	}
	if verify(t, h, inner, v.Password).OK {
		t.Error("the plain password verifies against a double hash")
	}
	for _, encoded := range []string{v.Hash, FlaskSecurity("wiki", inner)} {
		if _, err := h.Verify(t.Context(), encoded, v.Password); !errors.Is(err, ErrNoSalt) {
			t.Errorf("Verify(%.30q…): %v, want ErrNoSalt", encoded, err)
		}
	}
	if FlaskSecurity("", inner) != v.Hash {
		t.Errorf("FlaskSecurity marks %q, want %q", FlaskSecurity("", inner), v.Hash)
	}
}

func TestQuickSchemesPayLikeUnknownAccounts(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	for _, name := range []string{"md5$", "sha1$", "sha256$", "sha512$"} {
		d, err := parse(name+"salt$"+strings.Repeat("0", 2*hashes[strings.TrimSuffix(name, "$")]().Size()), h.limits)
		if err != nil || !d.fast {
			t.Errorf("%s: quick = %v, %v, want a quick scheme", name, d.fast, err)
		}
	}
	compared := 0
	h.none.match = func(string) bool { compared++; return true }
	d, _ := parse("md5$salt$"+strings.Repeat("0", 32), h.limits)
	if r, err := h.compare(t.Context(), d, "wrong"); r.OK || err != nil || compared != 1 {
		t.Errorf("a wrong password: %+v, %v, %d extra comparisons, want 1", r, err, compared)
	}
}

// Each of these would cost seconds, gigabytes or a panic if it were accepted.
func TestHostileHashesAreRefused(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	key, hex64 := strings.Repeat("A", 43), strings.Repeat("0", 64)
	for encoded, want := range map[string]error{
		"$argon2id$v=19$m=131073,t=1,p=1$c2FsdHNhbHQ$" + key:                  ErrCostlyHash, // above the budget
		"$argon2id$v=19$m=65536,t=999999,p=1$c2FsdHNhbHQ$" + key:              ErrCostlyHash,
		"$argon2id$v=19$m=65536,t=1,p=255$c2FsdHNhbHQ$" + key:                 ErrCostlyHash,
		"$argon2id$v=19$m=4294967296,t=1,p=1$c2FsdHNhbHQ$" + key:              ErrMalformedHash,
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$" + key:                      ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$" + key:                      ErrMalformedHash,
		"$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$" + key:                      ErrMalformedHash,
		"$argon2id$m=64,t=1,p=1$c2FsdHNhbHQ$" + key:                           ErrMalformedHash,
		"$argon2id$v=19$m=64,p=1,t=1$c2FsdHNhbHQ$" + key:                      ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=1,keyid=x$c2FsdHNhbHQ$" + key:              ErrMalformedHash,
		"$argon2id$v=19$m=+64,t=1,p=1$c2FsdHNhbHQ$" + key:                     ErrMalformedHash,
		"$argon2id$v=19$m=064,t=1,p=1$c2FsdHNhbHQ$" + key:                     ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$":                            ErrMalformedHash, // no key matches everything
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AA":                          ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + key + "=":                ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + key[1:] + "B":            ErrMalformedHash, // stray bits
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHN\nhbHQ$" + key:                    ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + key + "$" + key:          ErrMalformedHash,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 999): ErrMalformedHash,
		"$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + key:                       ErrUnknownHash,
		"$2b$31$" + strings.Repeat("a", 53):                                   ErrCostlyHash,
		"$2b$16$" + strings.Repeat("a", 53):                                   ErrCostlyHash,
		"$2b$03$" + strings.Repeat("a", 53):                                   ErrMalformedHash,
		"$2b$+4$" + strings.Repeat("a", 53):                                   ErrMalformedHash,
		"$2b$04$" + strings.Repeat("a", 52):                                   ErrMalformedHash,
		"$2x$04$" + strings.Repeat("a", 53):                                   ErrUnknownHash,
		"$2$04$" + strings.Repeat("a", 53):                                    ErrUnknownHash,
		"pbkdf2:sha256:5000001$salt$" + hex64:                                 ErrCostlyHash,
		"pbkdf2:sha1:3000000$salt$" + hex64[:60]:                              ErrCostlyHash, // two blocks
		"pbkdf2:sha256:0$salt$" + hex64:                                       ErrMalformedHash,
		"pbkdf2:sha256:-1$salt$" + hex64:                                      ErrMalformedHash,
		"pbkdf2:md5:1000$salt$" + hex64[:32]:                                  ErrUnknownHash,
		"pbkdf2:sha256:1000$salt$":                                            ErrMalformedHash,
		"pbkdf2_sha256$1000$salt$":                                            ErrMalformedHash,
		"$pbkdf2-sha256$1000$$":                                               ErrMalformedHash,
		"scrypt:1073741824:8:1$salt$" + hex64:                                 ErrMalformedHash,
		"scrypt:536870912:8:1$salt$" + hex64:                                  ErrCostlyHash,
		"scrypt:2:536870912:1$salt$" + hex64:                                  ErrCostlyHash,
		"scrypt:2:8:536870912$salt$" + hex64:                                  ErrCostlyHash,
		"scrypt:262144:8:1$salt$" + hex64:                                     ErrCostlyHash, // 256 MiB
		"scrypt:1000:8:1$salt$" + hex64:                                       ErrMalformedHash,
		"scrypt:1:8:1$salt$" + hex64:                                          ErrMalformedHash,
		"$scrypt$ln=99,r=8,p=1$c2FsdA$" + key:                                 ErrMalformedHash,
		"$scrypt$ln=29,r=8,p=1$c2FsdA$" + key:                                 ErrCostlyHash,
		"$6$rounds=999999999$salt$" + strings.Repeat("a", 86):                 ErrCostlyHash,
		"$6$rounds=1$salt$" + strings.Repeat("a", 86):                         ErrMalformedHash,
		"$6$salt$":                       ErrMalformedHash,
		"$5$":                            ErrMalformedHash,
		"$P$Z" + strings.Repeat("a", 30): ErrMalformedHash,
		"$P$S" + strings.Repeat("a", 30): ErrCostlyHash,
		"sha256$salt$":                   ErrMalformedHash,
		"sha256$$" + hex64:               ErrMalformedHash,
		"flask-security":                 ErrUnknownHash,
		"flask-security$":                ErrUnknownHash,
		"flask-security:$x":              ErrMalformedHash,
		"flask-security$flask-security$$2b$04$" + strings.Repeat("a", 53): ErrUnknownHash,
	} {
		if scheme, err := h.Identify(encoded); !errors.Is(err, want) {
			t.Errorf("Identify(%q) = %q, %v, want %v", encoded, scheme, err, want)
		}
	}
}

// FuzzParse: no input makes a parser panic or accept a cost above the limits,
// and what it accepts never matches a password by accident.
func FuzzParse(f *testing.F) {
	for _, v := range foreignVectors(f) {
		f.Add(v.Hash)
	}
	lim := limits{kib: 1024, flaskSalts: map[string]string{"": "salt"}}
	f.Fuzz(func(t *testing.T, encoded string) {
		d, err := parse(encoded, lim)
		if err != nil {
			if d.match != nil {
				t.Errorf("%q: refused, but comparable", encoded)
			}
			return
		}
		if d.match == nil || d.forms == nil || d.scheme == "" || d.threads < 1 || d.threads > maxLanes || d.kib > lim.kib {
			t.Errorf("%q: accepted as %+v", encoded, d)
		}
		if p := d.argon2id; p != (Params{}) && !strings.HasPrefix(encoded, "$argon2id$v=19$"+p.String()+"$") {
			t.Errorf("%q: read as %v", encoded, p)
		}
	})
}

// FuzzMatch runs the comparison of every scheme on hostile passwords.
func FuzzMatch(f *testing.F) {
	var ds []digest
	vs := foreignVectors(f)
	for _, v := range vs[:28] {
		d, err := parse(v.Hash, limits{kib: 128 << 10})
		if err != nil {
			f.Fatal(err)
		}
		ds = append(ds, d)
		f.Add(v.Password)
	}
	f.Add("\x00")
	f.Add(strings.Repeat("x", 73))
	f.Fuzz(func(t *testing.T, pw string) {
		if _, err := Normalize(pw); err != nil {
			return
		}
		for i, d := range ds {
			for _, form := range d.forms(pw) {
				if d.match(form) && normalizeNFC(pw) != normalizeNFC(vs[i].Password) {
					t.Errorf("%s: %q matches the hash of %q", d.scheme, pw, vs[i].Password)
				}
			}
		}
	})
}
