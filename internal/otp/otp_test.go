package otp_test

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/qr"
	upstream "github.com/pquerna/otp"

	"github.com/watchword-auth/watchword/internal/otp"
)

// TestVectors checks the codes of RFC 6238 Appendix B, which are those of HOTP (RFC 4226) for the
// steps.
func TestVectors(t *testing.T) {
	t.Parallel()
	seeds := map[otp.Algorithm]string{
		otp.SHA1:   "12345678901234567890",
		otp.SHA256: "12345678901234567890123456789012",
		otp.SHA512: "1234567890123456789012345678901234567890123456789012345678901234",
	}
	for _, c := range []struct {
		at   int64
		alg  otp.Algorithm
		code string
	}{
		{59, otp.SHA1, "94287082"}, {59, otp.SHA256, "46119246"}, {59, otp.SHA512, "90693936"},
		{1111111109, otp.SHA1, "07081804"}, {1111111109, otp.SHA256, "68084774"}, {1111111109, otp.SHA512, "25091201"},
		{1111111111, otp.SHA1, "14050471"}, {1111111111, otp.SHA256, "67062674"}, {1111111111, otp.SHA512, "99943326"},
		{1234567890, otp.SHA1, "89005924"}, {1234567890, otp.SHA256, "91819424"}, {1234567890, otp.SHA512, "93441116"},
		{2000000000, otp.SHA1, "69279037"}, {2000000000, otp.SHA256, "90698825"}, {2000000000, otp.SHA512, "38618901"},
		{20000000000, otp.SHA1, "65353130"}, {20000000000, otp.SHA256, "77737706"}, {20000000000, otp.SHA512, "47863826"},
	} {
		v := otp.TOTP{Seed: []byte(seeds[c.alg]), Algorithm: c.alg, Digits: 8, Period: 30 * time.Second}
		if step, ok := v.Match(c.code, time.Unix(c.at, 0), 0); !ok || step != c.at/30 {
			t.Errorf("%s at %d: step %d, %t", c.alg, c.at, step, ok)
		}
		if _, ok := v.Match(c.code[2:], time.Unix(c.at, 0), 0); ok {
			t.Errorf("%s at %d: six of eight digits match", c.alg, c.at)
		}
	}
}

// TestHOTPVectors checks the codes of RFC 4226 Appendix D: a step is the counter.
func TestHOTPVectors(t *testing.T) {
	t.Parallel()
	v := otp.TOTP{Seed: []byte("12345678901234567890"), Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second}
	for counter, code := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		at := time.Unix(int64(counter)*30, 0)
		if step, ok := v.Match(code, at, -1); !ok || step != int64(counter) {
			t.Errorf("counter %d: step %d, %t", counter, step, ok)
		}
		if _, ok := v.Match(code, at, int64(counter)); ok {
			t.Errorf("counter %d: its code counts twice", counter)
		}
	}
}

// TestOathtool compares the codes of every algorithm, length and period with those of oathtool.
func TestOathtool(t *testing.T) {
	t.Parallel()
	for _, alg := range []otp.Algorithm{otp.SHA1, otp.SHA256, otp.SHA512} {
		for digits := 6; digits <= 8; digits++ {
			for _, period := range []time.Duration{30 * time.Second, time.Minute} {
				v := otp.TOTP{Seed: otp.NewTOTP().Seed, Algorithm: alg, Digits: digits, Period: period}
				for _, step := range []int64{1, 1 << 16, 57_000_000, 1 << 33} {
					code := codeAt(t, v, step)
					if got, ok := v.Match(code, time.Unix(step*int64(period/time.Second), 0), step-1); !ok || got != step {
						t.Errorf("%s, %d digits, %s, step %d: %s is of step %d, %t", alg, digits, period, step, code, got, ok)
					}
				}
			}
		}
	}
}

// codeAt returns the code of a step as oathtool computes it.
func codeAt(t *testing.T, v otp.TOTP, step int64) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "oathtool", "--totp="+strings.ToLower(string(v.Algorithm)), "--digits="+fmt.Sprint(v.Digits),
		"--time-step-size="+fmt.Sprintf("%ds", int(v.Period.Seconds())), "--now=@"+fmt.Sprint(step*int64(v.Period.Seconds())), hex.EncodeToString(v.Seed)).Output()
	if err != nil {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			t.Fatalf("oathtool: %v", err)
		}
		t.Skipf("oathtool: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestAttack_MF_02_Drift: a code counts one step early or late, and never after a later one.
func TestAttack_MF_02_Drift(t *testing.T) {
	t.Parallel()
	v := otp.NewTOTP()
	now := time.Unix(1_700_000_015, 0)
	present := now.Unix() / 30
	for d, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		code := codeAt(t, v, present+d)
		step, ok := v.Match(code, now, 0)
		if ok != want || ok && step != present+d {
			t.Errorf("%+d steps: %t, step %d", d, ok, step)
		}
		if _, ok := v.Match(code, now, present); ok != (d == 1) {
			t.Errorf("%+d steps after the present one was used: %t", d, ok)
		}
	}
}

func TestMatchReadsWhatPeopleType(t *testing.T) {
	t.Parallel()
	v := otp.TOTP{Seed: []byte("12345678901234567890"), Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second}
	now := time.Unix(59, 0)
	for in, want := range map[string]bool{
		"287082": true, "287 082": true, " 287-082\n": true, "287\u00a0082": true, "287–082": true,
		"２８７０８２": true, "٢٨٧٠٨٢": true, "२८७०८२": true, "𝟐𝟖𝟕𝟎𝟖𝟐": true,
		"": false, "28708": false, "2870820": false, "28708a": false, "287082\x00": false, "+287082": false, "-28708": false, "28708²": false,
	} {
		if _, ok := v.Match(in, now, 0); ok != want {
			t.Errorf("%q: %t", in, ok)
		}
	}
}

// TestAttack_MF_07_SeedSize: seeds have 160 bits and are new each time.
func TestAttack_MF_07_SeedSize(t *testing.T) {
	t.Parallel()
	a, b := otp.NewTOTP(), otp.NewTOTP()
	if len(a.Seed) != 20 || string(a.Seed) == string(b.Seed) {
		t.Errorf("%x, %x", a.Seed, b.Seed)
	}
}

// TestURI: what we write is what the reader of others reads.
func TestURI(t *testing.T) {
	t.Parallel()
	v := otp.NewTOTP()
	for _, c := range []struct{ issuer, account, wantIssuer, wantAccount string }{
		{"Shop", "ann@example.com", "Shop", "ann@example.com"},
		{"Ann & Co: Shop?", "a+b/c#d@example.com", "Ann & Co  Shop?", "a+b/c#d@example.com"},
		{"Käse 100%", "ä@ö.example", "Käse 100%", "ä@ö.example"},
	} {
		uri := v.URI(c.issuer, c.account)
		k, err := upstream.NewKeyFromURL(uri)
		if err != nil {
			t.Fatal(err)
		}
		if k.Issuer() != c.wantIssuer || k.AccountName() != c.wantAccount || k.Secret() != v.Secret() || k.Digits() != 6 || k.Period() != 30 || k.Type() != "totp" {
			t.Errorf("%s: %q %q", uri, k.Issuer(), k.AccountName())
		}
		if strings.Contains(uri, "+") && !strings.Contains(c.account, "+") {
			t.Errorf("%s: a space is a plus sign", uri)
		}
		if _, err := url.Parse(uri); err != nil {
			t.Error(err)
		}
	}
}

// TestQR draws the path and compares it with the modules.
func TestQR(t *testing.T) {
	t.Parallel()
	text := otp.NewTOTP().URI("Shop", "ann@example.com")
	path, width, err := otp.QR(text)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Bounds().Dx()
	if width != size+8 {
		t.Errorf("width %d of %d modules", width, size)
	}
	drawn := map[[2]int]bool{}
	for _, part := range strings.Split(strings.TrimSuffix(path, "z"), "z") {
		var x, y, w, back int
		if n, err := fmt.Sscanf(part, "M%d %dh%dv1h-%d", &x, &y, &w, &back); n != 4 || err != nil || w != back {
			t.Fatalf("%q: %v", part, err)
		}
		for i := range w {
			drawn[[2]int{x + i - 4, y - 4}] = true
		}
	}
	for y := range size {
		for x := range size {
			r, _, _, _ := code.At(x, y).RGBA()
			if drawn[[2]int{x, y}] != (r == 0) {
				t.Fatalf("module %d,%d", x, y)
			}
		}
	}
	if _, _, err := otp.QR(strings.Repeat("x", 5000)); err == nil {
		t.Error("5,000 characters in a QR code")
	}
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		code := otp.NewRecoveryCode()
		if got, ok := otp.CanonicalRecoveryCode(code); !ok || got != code || seen[code] {
			t.Fatalf("%q is read as %q, %t", code, got, ok)
		}
		seen[code] = true
	}
	for in, want := range map[string]string{
		"abcd efgh jkmn pqrs":       "ABCD-EFGH-JKMN-PQRS",
		" ABCDEFGHJKMNPQRS ":        "ABCD-EFGH-JKMN-PQRS",
		"oiloilOIL-0110-1234":       "",
		"oilo-iloi–LOIL‑0110":       "0110-1101-1011-0110",
		"ABCD-EFGH-JKMN-PQR":        "",
		"ABCD-EFGH-JKMN-PQRST":      "",
		"ABCD-EFGH-JKMN-PQRU":       "",
		"":                          "",
		"ABCD-EFGH-JKMN-PQRſ":       "ABCD-EFGH-JKMN-PQRS",
		strings.Repeat("-", 10_000): "",
	} {
		if got, ok := otp.CanonicalRecoveryCode(in); ok != (want != "") || ok && got != want {
			t.Errorf("%.40q: %q, %t", in, got, ok)
		}
	}
}

// TestRecoveryDigest: a digest belongs to one account of one tenant under one key.
func TestRecoveryDigest(t *testing.T) {
	t.Parallel()
	d := otp.RecoveryDigest([]byte("k"), "t", "a", "c")
	for _, other := range []string{
		otp.RecoveryDigest([]byte("l"), "t", "a", "c"), otp.RecoveryDigest([]byte("k"), "u", "a", "c"),
		otp.RecoveryDigest([]byte("k"), "t", "b", "c"), otp.RecoveryDigest([]byte("k"), "t", "a", "d"), otp.RecoveryDigest([]byte("k"), "ta", "", "c"),
	} {
		if d == other {
			t.Error("two digests are equal")
		}
	}
}

func TestMailedCodes(t *testing.T) {
	t.Parallel()
	seen, letters := map[string]bool{}, map[string]bool{}
	for i := range 1000 {
		flow := fmt.Sprint(i)
		code := otp.MailedCode([]byte("k"), "t", flow)
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" || code != otp.MailedCode([]byte("k"), "t", flow) {
			t.Fatalf("%q", code)
		}
		seen[code] = true
		long := otp.MailedLetters([]byte("k"), "t", flow)
		if got, ok := otp.CanonicalMailedLetters(strings.ToLower(long)); !ok || got != long || len(long) != 9 {
			t.Fatalf("%q is read as %q, %t", long, got, ok)
		}
		letters[long] = true
	}
	if len(seen) < 990 || len(letters) != 1000 {
		t.Errorf("%d and %d different codes of 1000", len(seen), len(letters))
	}
	if otp.MailedLetters([]byte("k"), "ab", "c") == otp.MailedLetters([]byte("k"), "a", "bc") {
		t.Error("two lists of values have one code")
	}
	for typed, want := range map[string]bool{"492039": true, " 492 039\n": true, "492-039": true, "٤٩٢٠٣٩": true, "492038": false, "": false, "4920390": false, "492039x": false, strings.Repeat(" ", 100) + "492039": false} {
		if got := otp.EqualMailedCode("492039", typed); got != want {
			t.Errorf("%q: %t", typed, got)
		}
	}
	for typed, want := range map[string]string{"abcd efgh": "ABCD-EFGH", "OIL0-0000": "0110-0000", "": "", "ABCD-EFG": "", "ABCD-EFGHJ": "", "ABCD-EFGU": ""} {
		if got, ok := otp.CanonicalMailedLetters(typed); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %t", typed, got, ok)
		}
	}
}

func FuzzCodes(f *testing.F) {
	for _, s := range []string{"287082", "２８７０８２", "ABCD-EFGH-JKMN-PQRS", "\xff\xfe", "", "1-2-3-4-5-6"} {
		f.Add(s)
	}
	v := otp.TOTP{Seed: []byte("12345678901234567890"), Algorithm: otp.SHA1, Digits: 6, Period: 30 * time.Second}
	f.Fuzz(func(t *testing.T, in string) {
		if step, ok := v.Match(in, time.Unix(59, 0), 0); ok && (step < 0 || step > 2) {
			t.Fatalf("%q: step %d", in, step)
		}
		if _, ok := v.Match(in, time.Unix(59, 0), 0); otp.EqualMailedCode("287082", in) && !ok {
			t.Fatalf("%q: right as a mailed code only", in)
		}
		if got, ok := otp.CanonicalMailedLetters(in); ok {
			if again, ok := otp.CanonicalMailedLetters(got); !ok || again != got {
				t.Fatalf("%q is read as %q, and that as %q", in, got, again)
			}
		}
		if got, ok := otp.CanonicalRecoveryCode(in); ok {
			if again, ok := otp.CanonicalRecoveryCode(got); !ok || again != got {
				t.Fatalf("%q is read as %q, and that as %q", in, got, again)
			}
		}
	})
}
