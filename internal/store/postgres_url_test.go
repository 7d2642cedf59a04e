package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestRepair_N4_TheServersAnswerComesFirst: of all attempts to connect, the response of the
// server helps an operator most.
func TestRepair_N4_TheServersAnswerComesFirst(t *testing.T) {
	t.Parallel()
	answer := &pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "password authentication failed for user \"u\""}
	err := connectError(errors.Join(errors.New("tls error: server refused TLS connection"), fmt.Errorf("failed SASL auth: %w", answer),
		errors.New("tls error: server refused TLS connection")))
	want := `connect to PostgreSQL: failed SASL auth: FATAL: password authentication failed for user "u" (SQLSTATE 28P01)` +
		" (also tried: tls error: server refused TLS connection)"
	if err.Error() != want || !errors.Is(err, answer) {
		t.Errorf("got %v", err)
	}
}

func TestRepair_N4_WrongDatabaseName(t *testing.T) {
	t.Parallel()
	server := os.Getenv("WATCHWORD_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			t.Fatal("WATCHWORD_TEST_POSTGRES is not set")
		}
		t.Skip("WATCHWORD_TEST_POSTGRES is not set")
	}
	server, _, _ = strings.Cut(server, "?") // with and without TLS
	url := server[:strings.LastIndexByte(server, '/')] + "/ww_is_not_there?password=hunter2"
	_, err := Open(t.Context(), Config{URL: url, Now: time.Now, MaxWait: 5 * time.Second})
	if err == nil || !strings.Contains(err.Error(), `server error: FATAL: database "ww_is_not_there" does not exist (SQLSTATE 3D000) (also tried: `) ||
		strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestAttack_OP_04_NoPartOfThePasswordInAnError(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://u:horse@battery@127.0.0.1:1/db",
		"postgres://u:horse@battery%zz@127.0.0.1:1/db",
		"postgres://u:horse@battery,x@127.0.0.1:1/db",
		"postgres://u:horse@battery@127.0.0.1:port/db",
		"postgres://u:horse:battery@127.0.0.1:1/db",
		"postgres://u:horse:battery%zz@127.0.0.1:1/db",
		"postgres://u:horse/battery@127.0.0.1:1/db",
		"postgres://u:horse?battery@127.0.0.1:1/db",
		"postgres://u:horse#battery@127.0.0.1:1/db",
		"postgres://127.0.0.1:1/db?password=horse%zzbattery",
		"postgres://127.0.0.1:1/db?user=u&password=horse@battery&sslmode=bogus",
	} {
		_, err := Open(t.Context(), Config{URL: url, Now: time.Now, MaxWait: time.Second})
		if err == nil || strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), "battery") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
