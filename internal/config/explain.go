package config

import (
	"log/slog"
	"path/filepath"
	"strings"
)

// Setting is the effective value of one setting, without secrets.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // redacted if it is a secret
	Source Source `json:"source"`
	From   string `json:"from,omitempty"` // the file, variable or flag
	Env    string `json:"env"`
}

// Explain returns every setting in the order of the struct.
func (c *Config) Explain() []Setting {
	fields := Fields()
	all := make([]Setting, len(fields))
	for i := range fields {
		f := &fields[i]
		all[i] = Setting{Key: f.Key, Value: f.text(c), Source: SourceDefault, Env: f.Env}
		if o, ok := c.origins[f.Key]; ok {
			all[i].Source, all[i].From = o.source, o.from
		}
	}
	return all
}

// Warnings returns the problems that Load has accepted.
func (c *Config) Warnings() []*Problem { return c.warnings }

// String returns one "key=value" a line, without secrets.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range c.Explain() {
		b.WriteString(s.Key + "=" + s.Value + "\n")
	}
	return b.String()
}

// GoString hides what String hides.
func (c Config) GoString() string { return c.String() }

// LogValue returns the settings that differ from the defaults, without secrets.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range c.Explain() {
		if s.Source != SourceDefault {
			attrs = append(attrs, slog.String(s.Key, s.Value))
		}
	}
	return slog.GroupValue(attrs...)
}

// DatabaseURL returns the URL of the database: Database, or the SQLite file in the data directory.
// It may contain a password.
func (c *Config) DatabaseURL() string {
	if !c.Database.IsZero() {
		return c.Database.Reveal()
	}
	return "sqlite:" + filepath.Join(c.Data, "watchword.db")
}

// SQLite returns the path of the SQLite file, or false when the database is another one.
func (c *Config) SQLite() (path string, ok bool) {
	path, ok = strings.CutPrefix(c.DatabaseURL(), "sqlite:")
	return path, ok
}

// DevKeyFile returns the file of the master key that "watchword dev" generates.
func (c *Config) DevKeyFile() string { return filepath.Join(c.Data, "dev-master-key") }

// BehindProxy reports whether a proxy terminates TLS: the issuer is https and the public listener
// is not.
func (c *Config) BehindProxy() bool {
	return strings.HasPrefix(c.Issuer, "https://") && !c.TLS.Enabled()
}

// BaseURL returns the issuer, or the URL of the public listener when none is set, as in
// development.
func (c *Config) BaseURL() string {
	switch {
	case c.Issuer != "":
		return c.Issuer
	case c.TLS.Enabled():
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}
