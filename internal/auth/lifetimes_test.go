package auth

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLifetimesAsJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"15m": 15 * time.Minute, "36h": 36 * time.Hour, "30d": 30 * day, "1h30m": 90 * time.Minute, "90s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1d12h": 36 * time.Hour} {
		var s Settings
		if err := json.Unmarshal([]byte(`{"lifetimes":{"access":"`+text+`"}}`), &s); err != nil || s.Lifetimes.Access != want {
			t.Errorf("%s is %s, %v", text, s.Lifetimes.Access, err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again Settings
		if err := json.Unmarshal(b, &again); err != nil || again.Lifetimes != s.Lifetimes {
			t.Errorf("%s, %v", b, err)
		}
	}
	for _, text := range []string{"", "soon", "-1d", "d", "15", "1d-", "99999999999999999999d"} {
		var s Settings
		if err := json.Unmarshal([]byte(`{"lifetimes":{"access":"`+text+`"}}`), &s); err == nil || !strings.Contains(err.Error(), "such as 15m") {
			t.Errorf("%q: %v", text, err)
		}
	}
	s := Settings{Lifetimes: Lifetimes{SessionIdle: time.Hour, RefreshIdle: 14 * day}}
	if err := json.Unmarshal([]byte(`{"lifetimes":{"access":"5m"}}`), &s); err != nil || s.Lifetimes.SessionIdle != time.Hour {
		t.Errorf("absent members changed: %+v, %v", s, err)
	}
	if b, _ := json.Marshal(s); string(b) != `{"lifetimes":{"access":"5m","refresh_idle":"14d","session_idle":"1h"}}` {
		t.Errorf("%s", b)
	}
	if b, _ := json.Marshal(Settings{}); string(b) != "{}" {
		t.Errorf("%s", b)
	}
}

// Stored settings may have members of a newer version. Settings that an administrator writes may
// have misspelled members, which are refused.
func TestSettingsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"lifetimes":{"acess":"5m"}}`, `{"lifetime":{"access":"5m"}}`, `{"password":{"min":9}}`} {
		var s Settings
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Errorf("stored %s: %v", text, err)
		}
		if err := ReadSettings([]byte(text), &s); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("written %s: %v", text, err)
		}
	}
	s := Settings{Registration: "closed", Lifetimes: Lifetimes{SessionIdle: time.Hour}}
	if err := ReadSettings([]byte(`{"lifetimes":{"access":"5m"},"allow_unverified":true}`), &s); err != nil ||
		!reflect.DeepEqual(s, Settings{Registration: "closed", AllowUnverified: true, Lifetimes: Lifetimes{Access: 5 * time.Minute, SessionIdle: time.Hour}}) {
		t.Errorf("%+v, %v", s, err)
	}
}
