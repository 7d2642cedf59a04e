package config

import (
	"strings"
	"testing"
)

// For any file: no panic, no secret in an error, every value within its
// bounds.
func FuzzLoad(f *testing.F) {
	f.Add(string(Sample()), "WATCHWORD_LISTEN=:8080")
	f.Add(commentedSetting.ReplaceAllString(string(Sample()), "$1$2"), "WATCHWORD_TOKENS_ALGORITHM=RS256")
	f.Add("tokens: {algorithm: ES256}\ntokens.algorithm: RS256", "WATCHWORD_PROXY_TRUSTED=10.0.0.0/8")
	f.Add("a: &a [*a]", "WATCHWORD_X")
	f.Add("1: 2\n? [a]\n: b", "=")
	f.Fuzz(func(t *testing.T, yaml, env string) {
		const marker = "hunter2XYZZY"
		if strings.Contains(yaml+env, "XYZZY") {
			return
		}
		c, err := loadYAML(t, yaml, env, "WATCHWORD_SMTP_URL=smtp://u:"+marker+"@h", "WATCHWORD_MASTER_KEY="+marker)
		if err == nil {
			t.Fatal("a bad master key was accepted")
		}
		text := err.Error() + c.String()
		for _, mode := range []Mode{Serve, Dev} {
			if verr := c.Validate(mode); verr != nil {
				text += verr.Error()
			}
		}
		if strings.Contains(text, marker) {
			t.Fatalf("the secret is in:\n%s", text)
		}
		for _, fd := range Fields() {
			if berr := fd.checkBounds(fd.value(c)); berr != nil {
				t.Fatalf("%s = %s %v", fd.Key, fd.text(c), berr)
			}
		}
	})
}
