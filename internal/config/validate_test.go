package config

import (
	"slices"
	"strings"
	"testing"
)

func TestServeSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	c, err := loadYAML(t, "listen: ':8080'")
	if err != nil {
		t.Fatal(err)
	}
	err = c.Validate(Serve)
	var keys []string
	for _, p := range Problems(err) {
		keys = append(keys, p.Key)
		if p.Fix == "" {
			t.Errorf("%v has no fix", p)
		}
	}
	slices.Sort(keys)
	if want := []string{"issuer", "listen", "master_key", "smtp.from", "smtp.url"}; !slices.Equal(keys, want) {
		t.Errorf("problems of %v, want %v", keys, want)
	}
	for _, part := range []string{"WATCHWORD_ISSUER or --issuer", "WATCHWORD_MASTER_KEY or WATCHWORD_MASTER_KEY_FILE", "proxy.trusted", "tls.auto"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
}

func TestValidateServe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  []string
		want string // the key of the only problem, or nothing
	}{
		"behind a proxy on this machine": {},
		"behind a proxy elsewhere":       {env: []string{"WATCHWORD_LISTEN=0.0.0.0:8080", "WATCHWORD_PROXY_TRUSTED=10.0.0.0/8,fd00::1"}},
		"own certificate":                {env: []string{"WATCHWORD_LISTEN=:443", "WATCHWORD_TLS_CERT_FILE=a", "WATCHWORD_TLS_KEY_FILE=b"}},
		"automatic certificate":          {env: []string{"WATCHWORD_LISTEN=:443", "WATCHWORD_TLS_AUTO=auth.example.com, www.example.com"}},
		"issuer with port":               {env: []string{"WATCHWORD_ISSUER=https://auth.example.com:8443"}},
		"issuer on this machine":         {env: []string{"WATCHWORD_ISSUER=http://localhost:8080"}},
		"issuer on IPv6":                 {env: []string{"WATCHWORD_ISSUER=https://[2001:db8::1]:8443"}},
		"sqlite":                         {env: []string{"WATCHWORD_DATABASE=sqlite:/var/lib/x.db"}},
		"postgres":                       {env: []string{"WATCHWORD_DATABASE=postgres://u:p%40@h/d"}},
		"redis":                          {env: []string{"WATCHWORD_LIMITS_REDIS=redis://h:6379/0"}},
		"origins":                        {env: []string{"WATCHWORD_CORS_ORIGINS=https://app.example.com,http://localhost:3000"}},
		"passkeys of a domain above":     {env: []string{"WATCHWORD_PASSKEYS_RP_ID=example.com"}},
		"passkeys of the host":           {env: []string{"WATCHWORD_PASSKEYS_RP_ID=auth.example.com"}},
		"passkeys of applications":       {env: []string{"WATCHWORD_PASSKEYS_ORIGINS=https://app.example.org,http://localhost:3000,android:apk-key-hash:7d1R-iZFsa3f8QCmm8C4M0p6T_oQkLh3f8QCmm8C4Mw"}},
		"sender with a name":             {env: []string{"WATCHWORD_SMTP_FROM=Example <no-reply@example.com>"}},

		"schemes":             {env: []string{"WATCHWORD_OAUTH_REDIRECT_SCHEMES=cursor, vscode-insiders"}},
		"scheme with a colon": {[]string{"WATCHWORD_OAUTH_REDIRECT_SCHEMES=cursor://"}, "oauth.redirect_schemes"},
		"scheme of scripts":   {[]string{"WATCHWORD_OAUTH_REDIRECT_SCHEMES=javascript"}, "oauth.redirect_schemes"},

		"plain on every interface":   {[]string{"WATCHWORD_LISTEN=:8080"}, "listen"},
		"plain on an address":        {[]string{"WATCHWORD_LISTEN=192.0.2.1:8080"}, "listen"},
		"plain on a name":            {[]string{"WATCHWORD_LISTEN=auth.example.com:8080"}, "listen"},
		"no port":                    {[]string{"WATCHWORD_LISTEN=127.0.0.1"}, "listen"},
		"port too high":              {[]string{"WATCHWORD_MANAGE=127.0.0.1:65536"}, "manage"},
		"same port":                  {[]string{"WATCHWORD_MANAGE=127.0.0.1:8080"}, "manage"},
		"http issuer":                {[]string{"WATCHWORD_ISSUER=http://auth.example.com"}, "issuer"},
		"issuer with slash":          {[]string{"WATCHWORD_ISSUER=https://auth.example.com/"}, "issuer"},
		"issuer with path":           {[]string{"WATCHWORD_ISSUER=https://example.com/auth"}, "issuer"},
		"issuer with query":          {[]string{"WATCHWORD_ISSUER=https://auth.example.com?x=1"}, "issuer"},
		"issuer with empty query":    {[]string{"WATCHWORD_ISSUER=https://auth.example.com?"}, "issuer"},
		"issuer with fragment":       {[]string{"WATCHWORD_ISSUER=https://auth.example.com#x"}, "issuer"},
		"issuer with empty fragment": {[]string{"WATCHWORD_ISSUER=https://auth.example.com#"}, "issuer"},
		"issuer with user":           {[]string{"WATCHWORD_ISSUER=https://u@auth.example.com"}, "issuer"},
		"issuer in capitals":         {[]string{"WATCHWORD_ISSUER=https://Auth.example.com"}, "issuer"},
		"issuer with usual port":     {[]string{"WATCHWORD_ISSUER=https://auth.example.com:443"}, "issuer"},
		"issuer without scheme":      {[]string{"WATCHWORD_ISSUER=auth.example.com"}, "issuer"},
		"issuer with space":          {[]string{"WATCHWORD_ISSUER=https://auth.example.com "}, "issuer"},
		"issuer of another scheme":   {[]string{"WATCHWORD_ISSUER=ftp://auth.example.com"}, "issuer"},
		"private issuer, public listener": {[]string{"WATCHWORD_ISSUER=https://localhost:8443", "WATCHWORD_LISTEN=:8443",
			"WATCHWORD_TLS_CERT_FILE=a", "WATCHWORD_TLS_KEY_FILE=b"}, "issuer"},
		"http issuer, https listener": {[]string{"WATCHWORD_ISSUER=http://localhost:8080", "WATCHWORD_TLS_CERT_FILE=a", "WATCHWORD_TLS_KEY_FILE=b"}, "issuer"},
		"certificate without key":     {[]string{"WATCHWORD_TLS_CERT_FILE=a"}, "tls.key_file"},
		"key without certificate":     {[]string{"WATCHWORD_TLS_KEY_FILE=a"}, "tls.cert_file"},
		"two kinds of certificate":    {[]string{"WATCHWORD_TLS_CERT_FILE=a", "WATCHWORD_TLS_KEY_FILE=b", "WATCHWORD_TLS_AUTO=auth.example.com"}, "tls.auto"},
		"wildcard certificate":        {[]string{"WATCHWORD_TLS_AUTO=auth.example.com,*.example.com"}, "tls.auto"},
		"certificate for another":     {[]string{"WATCHWORD_TLS_AUTO=www.example.com"}, "tls.auto"},
		"certificate authority":       {[]string{"WATCHWORD_TLS_DIRECTORY=http://ca.example.com"}, "tls.directory"},
		"any origin":                  {[]string{"WATCHWORD_CORS_ORIGINS=*"}, "cors.origins"},
		"wildcard origin":             {[]string{"WATCHWORD_CORS_ORIGINS=https://*.example.com"}, "cors.origins"},
		"null origin":                 {[]string{"WATCHWORD_CORS_ORIGINS=null"}, "cors.origins"},
		"http origin":                 {[]string{"WATCHWORD_CORS_ORIGINS=http://app.example.com"}, "cors.origins"},
		"passkeys of another domain":  {[]string{"WATCHWORD_PASSKEYS_RP_ID=example.org"}, "passkeys.rp_id"},
		"passkeys of a part":          {[]string{"WATCHWORD_PASSKEYS_RP_ID=ample.com"}, "passkeys.rp_id"},
		"passkeys of a top domain":    {[]string{"WATCHWORD_PASSKEYS_RP_ID=com"}, "passkeys.rp_id"},
		"passkeys of a URL":           {[]string{"WATCHWORD_PASSKEYS_RP_ID=https://auth.example.com"}, "passkeys.rp_id"},
		"passkeys of any origin":      {[]string{"WATCHWORD_PASSKEYS_ORIGINS=*"}, "passkeys.origins"},
		"passkeys over http":          {[]string{"WATCHWORD_PASSKEYS_ORIGINS=http://app.example.com"}, "passkeys.origins"},
		"passkeys of a short hash":    {[]string{"WATCHWORD_PASSKEYS_ORIGINS=android:apk-key-hash:abc"}, "passkeys.origins"},
		"passkeys of a padded hash":   {[]string{"WATCHWORD_PASSKEYS_ORIGINS=android:apk-key-hash:7d1R-iZFsa3f8QCmm8C4M0p6T_oQkLh3f8QCmm8C4M="}, "passkeys.origins"},
		"resource over http":          {[]string{"WATCHWORD_OAUTH_RESOURCES=http://mcp.example.com"}, "oauth.resources"},
		"resource with a fragment":    {[]string{"WATCHWORD_OAUTH_RESOURCES=https://mcp.example.com#a"}, "oauth.resources"},
		"resource that is a word":     {[]string{"WATCHWORD_OAUTH_RESOURCES=https://mcp.example.com,api"}, "oauth.resources"},
		"other database":              {[]string{"WATCHWORD_DATABASE=mysql://u:p@h/d"}, "database"},
		"no database":                 {[]string{"WATCHWORD_DATABASE=sqlite:"}, "database"},
		"other cache":                 {[]string{"WATCHWORD_LIMITS_REDIS=memcached://h"}, "limits.redis"},
		"mail over http":              {[]string{"WATCHWORD_SMTP_URL=http://mail.example.com"}, "smtp.url"},
		"mail without host":           {[]string{"WATCHWORD_SMTP_URL=smtp://"}, "smtp.url"},
		"sender with line break":      {[]string{"WATCHWORD_SMTP_FROM=a@example.com\r\nBcc: b@example.com"}, "smtp.from"},
		"sender without host":         {[]string{"WATCHWORD_SMTP_FROM=me"}, "smtp.from"},
		"previous key is the key":     {[]string{"WATCHWORD_MASTER_KEY_PREVIOUS=" + goodKey}, "master_key_previous"},
		"idle beyond lifetime":        {[]string{"WATCHWORD_TOKENS_REFRESH_IDLE=31d"}, "tokens.refresh_idle"},
		"session idle beyond":         {[]string{"WATCHWORD_SESSIONS_IDLE=15d"}, "sessions.idle"},
		"signs before published":      {[]string{"WATCHWORD_KEYS_PUBLISH_AHEAD=5m"}, "keys.jwks_max_age"},
		"old before used":             {[]string{"WATCHWORD_KEYS_ROTATE_EVERY=24h"}, "keys.publish_ahead"},
		"no memory for a hash":        {[]string{"WATCHWORD_PASSWORD_MEMORY=300MiB"}, "password.memory"},
		"weak hash":                   {[]string{"WATCHWORD_PASSWORD_MEMORY=64KiB"}, "password.memory"},
	} {
		cfg, err := loadYAML(t, "", serving(c.env...)...)
		if err != nil {
			t.Errorf("%s: load: %v", name, err)
			continue
		}
		err = cfg.Validate(Serve)
		ps := Problems(err)
		if c.want == "" && err != nil || c.want != "" && (len(ps) != 1 || ps[0].Key != c.want) {
			t.Errorf("%s: %v, want a problem of %q", name, err, c.want)
		}
	}
}

func TestValidateDev(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ env, want string }{
		"defaults":         {"OTHER=1", ""},
		"local name":       {"WATCHWORD_LISTEN=localhost:8080", ""},
		"IPv6":             {"WATCHWORD_LISTEN=[::1]:8080", ""},
		"any free port":    {"WATCHWORD_LISTEN=127.0.0.1:0", ""},
		"local issuer":     {"WATCHWORD_ISSUER=http://localhost:8080", ""},
		"weak hash":        {"WATCHWORD_PASSWORD_MEMORY=64KiB", ""},
		"every interface":  {"WATCHWORD_LISTEN=:8080", "listen"},
		"zero address":     {"WATCHWORD_LISTEN=0.0.0.0:8080", "listen"},
		"zero IPv6":        {"WATCHWORD_LISTEN=[::]:8080", "listen"},
		"private network":  {"WATCHWORD_LISTEN=192.168.1.2:8080", "listen"},
		"a name":           {"WATCHWORD_LISTEN=localhost.example.com:8080", "listen"},
		"public manage":    {"WATCHWORD_MANAGE=:9090", "manage"},
		"public issuer":    {"WATCHWORD_ISSUER=https://auth.example.com", "issuer"},
		"lookalike issuer": {"WATCHWORD_ISSUER=https://127.0.0.1.example.com", "issuer"},
	} {
		cfg, err := loadYAML(t, "", c.env)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = cfg.Validate(Dev)
		ps := Problems(err)
		if c.want == "" && err != nil || c.want != "" && (len(ps) != 1 || ps[0].Key != c.want) {
			t.Errorf("%s: %v, want a problem of %q", name, err, c.want)
		}
	}
	if err := Default().Validate("test"); err == nil {
		t.Error("an unknown mode is accepted")
	}
}

func TestMistakesAreNotReportedTwice(t *testing.T) {
	t.Parallel()
	c, err := loadYAML(t, "", serving("WATCHWORD_MASTER_KEY=changeme")...)
	if len(Problems(err)) != 1 {
		t.Fatal(err)
	}
	if err := c.Validate(Serve); err != nil {
		t.Error(err)
	}
}

// Resources are URLs with or without scopes, in each layer.
func TestRepair_B2_ResourcesWithScopes(t *testing.T) {
	t.Parallel()
	want := "https://mcp.example.com orders:read orders:write, https://b.example"
	for name, text := range map[string]string{
		"list":     "oauth:\n  resources: [{resource: 'https://mcp.example.com', scopes: [orders:read, orders:write]}, https://b.example]",
		"url":      "oauth:\n  resources: [{url: 'https://mcp.example.com', scopes: [orders:read, orders:write]}, {url: 'https://b.example'}]",
		"one line": "oauth:\n  resources: 'https://mcp.example.com orders:read orders:write, https://b.example'",
	} {
		c, err := loadYAML(t, text, serving()...)
		if err != nil || c.OAuth.Resources.String() != want || c.Validate(Serve) != nil {
			t.Errorf("%s: %v, %v", name, err, c)
		}
	}
	for name, text := range map[string]string{
		"member": "[{resource: 'https://a.example', scope: [a]}]", "two names": "[{resource: 'https://a.example', url: 'https://b.example'}]", "none": "[{scopes: [a]}]",
		"space": "[{resource: 'https://a.example', scopes: ['a b']}]", "comma": "[{resource: 'https://a.example', scopes: ['a,b']}]", "words": "['https://a.example a']",
		"twice": "['https://a.example', 'https://a.example']", "openid": "[{resource: 'https://a.example', scopes: [openid]}]", "own": "[{resource: 'https://a.example', scopes: ['watchword:admin']}]",
		"two URLs": "'https://a.example https://b.example'", "quote": "[{resource: 'https://a.example', scopes: ['a\"']}]",
	} {
		c, err := loadYAML(t, "oauth:\n  resources: "+text, serving()...)
		if err == nil {
			err = c.Validate(Serve)
		}
		if err == nil || !strings.Contains(err.Error(), "oauth.resources") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
