package ui

import (
	"io"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Frame is what the pages of the account share: who is signed in, the links to the pages, and
// sign-out.
type Frame struct {
	Page
	Form           // Action is that of the page's main form
	Account string // email address
	Name    string // may be empty
	Picture string // URL of the picture, or empty
	Links   []Link // to the pages of the account
	Up      string // URL of the page above it; empty for the overview
	Logout  string // URL of the form that signs out
	Notice  string // what was done, or empty
	Bad     string // what went wrong, or empty

	// OfferEnd is the URL of the form that ends all other sessions, where the page offers that.
	OfferEnd string
}

// Link is a link to a page of the account.
type Link struct {
	URL, Text string
	Current   bool
}

// Overview is the start page of the account. Its form cancels the deletion of the account.
type Overview struct {
	Frame
	Rows     []OverviewRow
	DeleteAt time.Time // when the account will be deleted; zero for never
	// DueAt is when the account begins to need a second factor that it does not have; zero for never. Add is the
	// URL of the page that adds one.
	DueAt time.Time
	Add   string
}

// OverviewRow is a link to a page of the account, with what is there.
type OverviewRow struct {
	Link
	Status string
	Warn   bool
}

// Render writes the page.
func (p Overview) Render(w io.Writer) error { return render(w, "account.html", p) }

// Profile asks for the name, the language and the picture of the user. It sends name and locale to Action,
// a file as picture to Upload, and nothing to Remove.
type Profile struct {
	Frame
	Value      string // of the name
	Locale     Lang   // empty for that of the browser
	BadPicture string // what is wrong with the file
	Upload     string
	Remove     string
}

// Choice is a language that the user can choose.
type Choice struct {
	Lang    Lang
	Name    string // in that language; empty for that of the browser
	Checked bool
}

// Choices returns the languages that the user can choose.
func (p Profile) Choices() []Choice {
	all := []Choice{{Checked: p.Locale == ""}}
	for _, l := range Languages {
		all = append(all, Choice{l, l.words("language.name"), p.Locale == l})
	}
	return all
}

// Render writes the page.
func (p Profile) Render(w io.Writer) error { return render(w, "account_profile.html", p) }

// Address asks for a new email address, and for a user name where the tenant has them. It sends email
// to Action, and username to Rename.
type Address struct {
	Frame
	Email    string // the value of the field
	Names    auth.Identifiers
	Username string // the value of the field
	BadName  string // what is wrong with the user name
	Rename   string // URL of the form for the user name
}

// Render writes the page.
func (p Address) Render(w io.Writer) error { return render(w, "account_email.html", p) }

// Password asks for the current and a new password. It sends current and password. An account without
// a password gets one by a mailed link.
type Password struct {
	Frame
	None      bool // the account has no password
	MinLength int
	Wrong     string   // what is wrong with the current password
	Refused   []string // what is wrong with the new one
	Mail      string   // URL of the form that mails a link
}

// Address returns the email address of the account, for password managers.
func (p Password) Address() string { return p.Account }

// Render writes the page.
func (p Password) Render(w io.Writer) error { return render(w, "account_password.html", p) }

// Scripted reports whether the page has a script.
func (p Password) Scripted() bool { return !p.None }

// Factors lists the authenticator apps of the account, and how many recovery codes are left. Its form
// begins to add an app.
type Factors struct {
	Frame
	Apps     []FactorRow
	On       bool   // the account has a second factor that binds
	Offered  bool   // it has a passkey only, which does not
	NewCodes string // URL of the page of recovery codes
	Codes    int    // recovery codes that are left
}

// Few reports whether the user should create new recovery codes.
func (p Factors) Few() bool { return p.Codes <= FewCodes }

// FewCodes is how many recovery codes are left when the pages warn.
const FewCodes = 3

// FactorRow is an authenticator of the account.
type FactorRow struct {
	ID      string
	Name    string // as the user calls it; may be empty
	AddedAt time.Time
	UsedAt  time.Time // zero until it was used
	Edit    string    // URL of its page
}

// Used reports whether the authenticator was used since it was added.
func (r FactorRow) Used() bool { return !r.UsedAt.IsZero() }

// Render writes the page.
func (p Factors) Render(w io.Writer) error { return render(w, "account_factors.html", p) }

// FactorEdit renames and removes an authenticator. It sends factor, and name to Action.
type FactorEdit struct {
	Frame
	Factor FactorRow
	Value  string // of the field
	Last   bool   // without it the account has no second factor
	Remove string // URL of the form that removes it
}

// Render writes the page.
func (p FactorEdit) Render(w io.Writer) error { return render(w, "account_factor.html", p) }

// Passkeys lists the passkeys of the account, and creates another.
type Passkeys struct {
	Frame
	List    []PasskeyRow
	Full    bool // the account can have no further ones
	TurnsOn bool // another one turns two-step sign-in on
	Passkey Passkey
}

// PasskeyRow is a passkey of the account. It always has a name.
type PasskeyRow struct {
	FactorRow
	Synced bool // it can exist on several devices
}

// Render writes the page.
func (p Passkeys) Render(w io.Writer) error { return render(w, "account_passkeys.html", p) }

// Scripted reports whether the page has a script.
func (Passkeys) Scripted() bool { return true }

// UsesPasskeys reports whether the page uses passkeys.
func (Passkeys) UsesPasskeys() bool { return true }

// RecoveryCodes creates recovery codes, and shows new ones once. It sends code to Confirm, and nothing
// to Action.
type RecoveryCodes struct {
	Frame
	TurnsOn bool // the codes make a passkey that was offered a second factor
	Left    int
	Codes   []string // the new ones, or empty
	Ask     bool     // ask for one of the new codes
	Confirm string
}

// Render writes the page.
func (p RecoveryCodes) Render(w io.Writer) error { return render(w, "account_codes.html", p) }

// Sessions lists where the user is signed in. It sends session to End, browser to EndTrust, and nothing
// to EndOthers and Secure.
type Sessions struct {
	Frame
	Devices        []Device
	End, EndOthers string
	Secure         string // URL of the form that locks the account
	Trusted        []TrustedDevice
	EndTrust       string
}

// TrustedDevice is a browser in which the account needs no second factor.
type TrustedDevice struct {
	ID      string
	Agent   string // as in Device
	IP      string
	Place   string // of the IP address; empty if unknown
	Until   time.Time
	Current bool
}

// Device is a session of the account.
type Device struct {
	Session string
	Agent   string // the User-Agent; the page makes it readable
	IP      string
	Place   string // of the IP address; empty if unknown
	SeenAt  time.Time
	Current bool
}

// More reports whether there are sessions other than the current one.
func (p Sessions) More() bool {
	return slices.ContainsFunc(p.Devices, func(d Device) bool { return !d.Current })
}

// Render writes the page.
func (p Sessions) Render(w io.Writer) error { return render(w, "account_sessions.html", p) }

// Apps lists the clients that the user has allowed. It sends client to Remove.
type Apps struct {
	Frame
	Apps   []App
	Remove string
}

// App is a client that the user has allowed.
type App struct {
	Client string // the client_id
	Name   string
	Host   string // as in Consent
	Scopes []string
	Since  time.Time
}

// Render writes the page.
func (p Apps) Render(w io.Writer) error { return render(w, "account_apps.html", p) }

// Data offers the export of the account's data, and its deletion. Its form downloads the data.
type Data struct {
	Frame
	Delete string // URL of the page that deletes the account
}

// Render writes the page.
func (p Data) Render(w io.Writer) error { return render(w, "account_data.html", p) }

// Delete asks whether to delete the account. It sends confirm=on.
type Delete struct {
	Frame
	Days int // until it is deleted; zero for at once
}

// Render writes the page.
func (p Delete) Render(w io.Writer) error { return render(w, "account_delete.html", p) }

// Count returns a number with its noun: the text of one for 1, else that of many.
func (p Page) Count(n int, one, many Key) string {
	if n == 1 {
		return p.Say(one)
	}
	return p.Say(many, number(n))
}
