package token

import (
	"encoding/json"
	"testing"
)

func decodeString(t *testing.T, b []byte) (s string) {
	t.Helper()
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	return s
}
