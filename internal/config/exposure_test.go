package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const foreignGroup = 54321

// A file with a secret is refused when others can read or change it, and used when
// only this process's user and groups, or a group that root chose, can read it.
func TestRepair_B6_SecretFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode       os.FileMode
		uid, gid   int // -1: as they are
		want       exposure
		onlyAsRoot bool
	}{
		"owner":                          {mode: 0o600, uid: -1, gid: -1, want: private},
		"owner, read-only":               {mode: 0o400, uid: -1, gid: -1, want: private},
		"own group":                      {mode: 0o640, uid: -1, gid: -1, want: private},
		"own group writes":               {mode: 0o660, uid: -1, gid: -1, want: exposed},
		"others read":                    {mode: 0o644, uid: -1, gid: -1, want: exposed},
		"others may read":                {mode: 0o604, uid: -1, gid: -1, want: exposed},
		"others write":                   {mode: 0o602, uid: -1, gid: -1, want: exposed},
		"root's, for a group":            {mode: 0o440, uid: 0, gid: foreignGroup, want: private, onlyAsRoot: true},
		"root's, for everybody":          {mode: 0o444, uid: 0, gid: foreignGroup, want: exposed, onlyAsRoot: true},
		"another user's, for a group":    {mode: 0o640, uid: 65534, gid: foreignGroup, want: shared, onlyAsRoot: true},
		"another user's, for themselves": {mode: 0o600, uid: 65534, gid: foreignGroup, want: private, onlyAsRoot: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.onlyAsRoot && os.Getuid() != 0 {
				return // only root gives files away
			}
			secret := filepath.Join(t.TempDir(), "secret")
			file := filepath.Join(filepath.Dir(secret), "watchword.yaml")
			for name, text := range map[string]string{secret: goodKey, file: "master_key: " + goodKey} {
				writeFileAt(t, name, c.mode, text)
				if err := os.Chown(name, c.uid, c.gid); err != nil {
					t.Fatal(err)
				}
			}
			for _, env := range []string{"WATCHWORD_MASTER_KEY_FILE=" + secret, "WATCHWORD_SMTP_URL_FILE=" + secret, "WATCHWORD_CONFIG=" + file} {
				cfg, err := Load(Options{Dir: t.TempDir(), Env: []string{env}})

				if (err != nil) != (c.want == exposed) {
					t.Errorf("%s: %v", env, err)
				}
				if err != nil && (!strings.Contains(err.Error(), "chmod 600") || !strings.Contains(err.Error(), "fsGroup")) {
					t.Errorf("%s: the message does not say what to do: %v", env, err)
				}
				if got := len(cfg.Warnings()); (got == 1) != (c.want == shared) {
					t.Errorf("%s: %d warnings", env, got)
				}
			}
		})
	}
}

// Only the unit can read the credentials of a systemd unit, whatever the modes of their
// files are.
func TestRepair_B6_CredentialsOfAUnit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFileAt(t, filepath.Join(dir, "master-key"), 0o444, goodKey)
	outside := writeFile(t, 0o444, goodKey)
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}

	for name, refused := range map[string]bool{
		filepath.Join(dir, "master-key"):                     false,
		filepath.Join(dir, "..", filepath.Base(dir), "link"): true,
		outside: true,
	} {
		_, err := Load(Options{Dir: t.TempDir(), Env: []string{"CREDENTIALS_DIRECTORY=" + dir, "WATCHWORD_MASTER_KEY_FILE=" + name}})
		if (err != nil) != refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Docker Compose mounts a secret with the mode that the file has on the host.
func TestRepair_B6_SecretsOfCompose(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		return // only root makes /run/secrets
	}
	if err := os.MkdirAll(mountedSecrets, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(mountedSecrets, "watchword-test-"+filepath.Base(t.TempDir()))
	t.Cleanup(func() { os.Remove(name) })
	writeFileAt(t, name, 0o444, goodKey)

	cfg, err := Load(Options{Dir: t.TempDir(), Env: []string{"WATCHWORD_MASTER_KEY_FILE=" + name}})

	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings()) != 1 {
		t.Errorf("warnings %v", cfg.Warnings())
	}
}
