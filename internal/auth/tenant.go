package auth

import (
	"strings"
	"time"
)

// Tenant is a separate set of accounts, clients, roles and keys, with its own issuer and
// settings.
type Tenant struct {
	ID         TenantID
	Name       string // shown to users
	Settings   Settings
	CreatedAt  time.Time
	DisabledAt time.Time // zero unless the tenant is disabled
}

// Settings are the settings of a tenant. A zero field means the server's default, so a new
// setting leaves existing tenants unchanged.
type Settings struct {
	// Registration is "open", "closed" or empty for the server's default.
	Registration string `json:"registration,omitempty"`
	// Identifiers are the names with which users sign in.
	Identifiers Identifiers `json:"identifiers,omitempty"`
	// AllowUnverified allows sign-in before the address is verified.
	AllowUnverified bool          `json:"allow_unverified,omitempty"`
	Password        PasswordRules `json:"password,omitzero"`
	// EmailSignIn lets users sign in with a mailed link or code instead of a password.
	EmailSignIn bool `json:"email_sign_in,omitempty"`
	// DeletionDays are the days after which an account is deleted whose owner asks for that; zero for
	// at once.
	DeletionDays int `json:"deletion_days,omitempty"`
	// Factors says when users need a second factor.
	Factors   FactorSettings `json:"factors,omitzero"`
	Lifetimes Lifetimes      `json:"lifetimes,omitzero"`
	// Algorithm signs access tokens: ES256, RS256 or EdDSA.
	Algorithm string `json:"algorithm,omitempty"`
	// PKCEOptional allows confidential clients to omit the code_challenge.
	PKCEOptional bool `json:"pkce_optional,omitempty"`
	// ClientRegistration is "closed", "token", "open" or empty for the server's default
	// (RFC 7591).
	ClientRegistration string `json:"client_registration,omitempty"`
	// Branding is the look of the tenant's pages.
	Branding Branding `json:"branding,omitzero"`
	// Locale is the language of its pages when the browser names none: "en" (default) or "de".
	Locale string `json:"locale,omitempty"`
}

// Branding overrides the look of the pages. Colours are #rrggbb; an empty field is
// the default. The Dark fields apply in dark mode.
type Branding struct {
	Accent        string `json:"accent,omitempty"`
	AccentInk     string `json:"accent_ink,omitempty"`
	Page          string `json:"page,omitempty"`
	Card          string `json:"card,omitempty"`
	Ink           string `json:"ink,omitempty"`
	DarkAccent    string `json:"dark_accent,omitempty"`
	DarkAccentInk string `json:"dark_accent_ink,omitempty"`
	DarkPage      string `json:"dark_page,omitempty"`
	DarkCard      string `json:"dark_card,omitempty"`
	DarkInk       string `json:"dark_ink,omitempty"`
	Radius        *int   `json:"radius,omitempty"` // pixels, 0–24
	Font          string `json:"font,omitempty"`   // "system", "serif", "rounded" or "mono"
	// Logo is a PNG, JPEG or WebP image in base64, at most 64 KiB.
	Logo       string `json:"logo,omitempty"`
	PrivacyURI string `json:"privacy_uri,omitempty"`
	TermsURI   string `json:"tos_uri,omitempty"`
	SupportURI string `json:"support_uri,omitempty"`
}

// PasswordRules are a tenant's additions to the server's password policy.
type PasswordRules struct {
	MinLength      int  `json:"min_length,omitempty"`
	MaxLength      int  `json:"max_length,omitempty"`
	MinScore       *int `json:"min_score,omitempty"` // zxcvbn, 0–4
	RequireUpper   bool `json:"require_upper,omitempty"`
	RequireLower   bool `json:"require_lower,omitempty"`
	RequireDigit   bool `json:"require_digit,omitempty"`
	RequireSpecial bool `json:"require_special,omitempty"`
}

// Disabled reports whether the tenant has been disabled.
func (t Tenant) Disabled() bool { return !t.DisabledAt.IsZero() }

// Path returns the tenant's path below the base URL: empty for the default tenant, "/t/{id}" for
// every other.
func (id TenantID) Path() string {
	if id == DefaultTenant {
		return ""
	}
	return "/t/" + string(id)
}

// Issuer returns the tenant's issuer identifier (RFC 8414 §2) for the server's base URL, which
// has no trailing slash.
func (id TenantID) Issuer(base string) string { return base + id.Path() }

// ParseTenantID checks a tenant's name: 1–63 of [a-z0-9-], no dash at either end.
func ParseTenantID(s string) (TenantID, error) {
	ok := len(s) >= 1 && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if !ok {
		return "", Invalid(CodeTenantInvalid, "tenant", "want 1–63 of a–z, 0–9 and dashes, with no dash at either end")
	}
	return TenantID(s), nil
}
