package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lifetimes are the lifetimes of tokens and sessions. A zero field means the server's default. In
// JSON they are text, such as "15m", "36h" or "30d"; absent members stay unchanged.
type Lifetimes struct {
	Access          time.Duration // an access token
	RefreshIdle     time.Duration // an unused refresh token
	RefreshAbsolute time.Duration // a family, however often used
	SessionIdle     time.Duration // an unused session
	SessionAbsolute time.Duration // a session, however often used
	Remember        time.Duration // a remember-me series, however often used
}

// Earlier returns the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Or fills the zero fields of l from the defaults d.
func (l Lifetimes) Or(d Lifetimes) Lifetimes {
	pick := func(a, b time.Duration) time.Duration {
		if a > 0 {
			return a
		}
		return b
	}
	return Lifetimes{
		Access:          pick(l.Access, d.Access),
		RefreshIdle:     pick(l.RefreshIdle, d.RefreshIdle),
		RefreshAbsolute: pick(l.RefreshAbsolute, d.RefreshAbsolute),
		SessionIdle:     pick(l.SessionIdle, d.SessionIdle),
		SessionAbsolute: pick(l.SessionAbsolute, d.SessionAbsolute),
		Remember:        pick(l.Remember, d.Remember),
	}
}

// Longest returns the longest time that a sign-in can have effects.
func (l Lifetimes) Longest() time.Duration {
	return max(l.SessionAbsolute, l.RefreshAbsolute, l.Remember)
}

// spans is the JSON form of Lifetimes.
type spans struct {
	Access          span `json:"access,omitempty"`
	RefreshIdle     span `json:"refresh_idle,omitempty"`
	RefreshAbsolute span `json:"refresh_absolute,omitempty"`
	SessionIdle     span `json:"session_idle,omitempty"`
	SessionAbsolute span `json:"session_absolute,omitempty"`
	Remember        span `json:"remember,omitempty"`
}

func (l Lifetimes) spans() spans {
	return spans{span(l.Access), span(l.RefreshIdle), span(l.RefreshAbsolute), span(l.SessionIdle), span(l.SessionAbsolute), span(l.Remember)}
}

// MarshalJSON leaves zero fields out.
func (l Lifetimes) MarshalJSON() ([]byte, error) { return json.Marshal(l.spans()) }

// UnmarshalJSON ignores unknown members: a newer version may have stored them.
func (l *Lifetimes) UnmarshalJSON(b []byte) error {
	s := l.spans()
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*l = Lifetimes{time.Duration(s.Access), time.Duration(s.RefreshIdle), time.Duration(s.RefreshAbsolute), time.Duration(s.SessionIdle), time.Duration(s.SessionAbsolute), time.Duration(s.Remember)}
	return nil
}

// ReadSettings decodes settings that an administrator has written over s. Unlike stored settings,
// they must not have unknown members.
func ReadSettings(b []byte, s *Settings) error {
	strictly := func(b []byte, v any) error {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		return dec.Decode(v)
	}
	if err := strictly(b, s); err != nil {
		return err
	}
	var named struct {
		Lifetimes json.RawMessage `json:"lifetimes"`
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&named); err != nil || named.Lifetimes == nil {
		return err
	}
	return strictly(named.Lifetimes, &spans{}) // DisallowUnknownFields does not apply inside UnmarshalJSON
}

// span is a duration with days in its text form.
type span time.Duration

const day = 24 * time.Hour

// MarshalText writes whole days as days and everything else exactly.
func (s span) MarshalText() ([]byte, error) {
	d := time.Duration(s)
	if d%day == 0 {
		return fmt.Appendf(nil, "%dd", d/day), nil
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return []byte(text), nil
}

// UnmarshalText reads "15m", "36h", "30d", "1d12h".
func (s *span) UnmarshalText(text []byte) error {
	invalid := fmt.Errorf("%q: want a duration such as 15m, 36h or 30d", Clip(string(text), 32))
	rest, days := string(text), 0
	if head, tail, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n > 100_000 {
			return invalid
		}
		days, rest = n, tail
	}
	var d time.Duration
	if rest != "" || days == 0 && len(text) == 0 {
		var err error
		if d, err = time.ParseDuration(rest); err != nil {
			return invalid
		}
	}
	*s = span(time.Duration(days)*day + d)
	return nil
}
