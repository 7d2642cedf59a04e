package clients_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const redirect = "https://shop.example.test/callback"

// deviceRegistration returns the registration of a device client.
func deviceRegistration() client.Registration {
	return client.Registration{
		Name: "Television", Type: auth.ClientNative, Scopes: []string{"openid", "email", "offline_access"},
		ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantDeviceCode, auth.GrantRefreshToken}},
	}
}

// TestOpenIDClient: npm openid-client as a web application, with a server that requires DPoP
// nonces.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.OAuth.DPoPNonce = true }))
	const after = "https://shop.example.test/bye"
	id, secret := register(t, s, application(redirect, func(r *client.Registration) {
		r.PostLogoutURIs, r.DPoP, r.RequirePushed = []string{after}, true, true
	}))
	runNode(t, newPerson(t, s), "openid_client.mjs", map[string]string{"id": id, "secret": secret, "redirect": redirect, "after": after})
}

func TestOpenIDClientDevice(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := register(t, s, deviceRegistration())
	runNode(t, newPerson(t, s), "openid_client_device.mjs", map[string]string{"id": id})
}

// TestOAuth4WebAPI: npm oauth4webapi, which validates every response strictly.
func TestOAuth4WebAPI(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, secret := register(t, s, application(redirect))
	runNode(t, newPerson(t, s), "oauth4webapi.mjs", map[string]string{"id": id, "secret": secret, "redirect": redirect})
}

// runNode runs a program of testdata, which must print who signed in.
func runNode(t *testing.T, p *person, program string, settings map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", program)
	cmd.Dir = modulesDir(t, "clients", "openid-client")
	if said := runProgram(t, p, cmd, settings); said["email"] != alice || said["sub"] == "" {
		t.Errorf("%s says %v", program, said)
	}
}

// runProgram runs a program, opens the URLs that it prints in the browser, and returns its last
// output. The program must exit with 0.
func runProgram(t *testing.T, p *person, cmd *exec.Cmd, settings map[string]string) (said map[string]string) {
	t.Helper()
	settings["issuer"] = p.s.Issuer
	encoded, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env, cmd.WaitDelay = append(os.Environ(), "SETTINGS="+string(encoded)), 5*time.Second
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var m struct {
			Visit, Code string
			Done        map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		switch {
		case m.Done != nil:
			said = m.Done
		case m.Code != "":
			p.enter(m.Visit, m.Code)
			fmt.Fprintln(in, "entered")
		default:
			fmt.Fprintln(in, p.visit(m.Visit))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.String())
	}
	return said
}

// modulesDir returns a directory with the programs next to the packages that they import, from
// a directory of .cache that has the given one.
func modulesDir(t *testing.T, cache, has string) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		skipMissing(t, "Node.js", err)
	}
	modules, err := filepath.Abs("../../../.cache/" + cache + "/node_modules")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, has))
	}
	if err != nil {
		skipMissing(t, "npm "+has, err)
	}
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Glob("testdata/*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
