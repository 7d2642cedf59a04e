package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestSchemathesis sends requests that schemathesis generates from the OpenAPI description, good and bad ones.
// The server fails in none of them, and each response is as described.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs("../../../.cache/schemathesis/bin/schemathesis")
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		skipMissing(t, "schemathesis", err)
	}
	run := func(t *testing.T, s *servertest.Server, more ...string) {
		t.Helper()
		args := []string{"--no-color", "run", s.URL + "/api/v1/openapi.json",
			"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance",
			"--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--generation-deterministic", "--continue-on-failure", "--request-timeout", "60"}
		cmd := exec.CommandContext(t.Context(), program, append(args, more...)...)
		cmd.Dir = t.TempDir() // it writes files
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		run(t, servertest.New(t))
	})
	t.Run("administrator", func(t *testing.T) {
		t.Parallel()
		servertest.Each(t, func(t *testing.T, s *servertest.Server) {
			// The other calls need the session that a logout ends.
			run(t, s, "--exclude-operation-id", "logout", "--header", "Authorization: Bearer "+administratorToken(t, s))
		})
	})
}

// administratorToken returns an access token of an administrator for the account and the administration API.
func administratorToken(t testing.TB, s *servertest.Server) string {
	t.Helper()
	const email = "admin@example.test"
	s.Enrol(t, email)
	var account struct {
		ID string `json:"id"`
	}
	s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(s.Login(t, email, servertest.Password).AccessToken)).Want(t, 200).Decode(t, &account)
	if err := s.Access.Assign(t.Context(), auth.DefaultTenant, auth.AccountID(account.ID), auth.AdminRole, auth.System); err != nil {
		t.Fatal(err)
	}
	var tokens servertest.Tokens
	scope := strings.Join([]string{auth.ScopeAccount, auth.AdminPermission}, " ")
	s.Do(t, "POST", "/api/v1/login", map[string]string{"email": email, "password": servertest.Password, "scope": scope}).Want(t, 200).Decode(t, &tokens)
	return tokens.AccessToken
}
