package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/config"
)

func TestRepair_N15_PublicDefaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env    []string
		issuer string
		listen string
	}{
		"nothing is set":       {nil, "http://127.0.0.1:8080", ":8080"},
		"every interface":      {[]string{"WATCHWORD_LISTEN=0.0.0.0:9000"}, "http://127.0.0.1:9000", "0.0.0.0:9000"},
		"one interface":        {[]string{"WATCHWORD_LISTEN=10.0.0.1:9000"}, "http://10.0.0.1:9000", "10.0.0.1:9000"},
		"the issuer is set":    {[]string{"WATCHWORD_ISSUER=http://auth.test:8080"}, "http://auth.test:8080", ":8080"},
		"the issuer is secure": {[]string{"WATCHWORD_ISSUER=https://auth.test"}, "https://auth.test", ":8080"},
	} {
		cfg, err := config.Load(config.Options{Dir: t.TempDir(), Env: c.env})
		if err != nil {
			t.Fatal(err)
		}

		setPublicDefaults(cfg)

		if cfg.BaseURL() != c.issuer || cfg.Listen != c.listen {
			t.Errorf("%s: issuer %s, listen %s", name, cfg.BaseURL(), cfg.Listen)
		}
		if err := cfg.Validate(config.DevPublic); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRepair_N15_PublicIsWarnedOf(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := welcome{devFolder: devFolder{Issuer: "http://127.0.0.1:8080", Public: true}, listen: ":8080"}

	w.print(&out)

	if !strings.Contains(out.String(), "WARNING: anyone who can reach :8080 can read all mail") {
		t.Errorf("no warning:\n%s", &out)
	}
}

// A second start does not suggest what has been done.
func TestRepair_N21_SecondStartDoesNotRegisterAgain(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	t.Run("first start", func(t *testing.T) {
		_, out := startDev(t, data)
		if !strings.Contains(out.String(), devUser) {
			t.Fatalf("no way to a first account:\n%s", out)
		}
		creation := []string{"user", "create", "--email", devUser, "--data", data}
		if code := run(t.Context(), creation, system{In: strings.NewReader(""), Out: t.Output(), Err: t.Output()}); code != 0 {
			t.Fatalf("user create ended with %d", code)
		}
	})
	t.Run("second start", func(t *testing.T) {
		_, out := startDev(t, data)
		if strings.Contains(out.String(), devUser) || strings.Contains(out.String(), "THE-PASSWORD") {
			t.Errorf("suggested again:\n%s", out)
		}
	})
}
