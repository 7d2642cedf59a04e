package store

import (
	"strings"
	"testing"
	"time"
)

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
		_, err := Open(t.Context(), Config{URL: url, Wait: time.Second})
		if err == nil || strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), "battery") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
