package auth

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Identifiers say with which names the users of a tenant sign in. An account always has an email
// address, to which its links and notices go.
type Identifiers string

// The values of Identifiers. Empty means IdentifyByEmail.
const (
	IdentifyByEmail    Identifiers = "email"
	IdentifyByUsername Identifiers = "username"
	IdentifyByBoth     Identifiers = "both"
)

// Usernames reports whether accounts can have user names.
func (i Identifiers) Usernames() bool { return i == IdentifyByUsername || i == IdentifyByBoth }

// SignsIn reports whether the canonical name of an account is one with which it signs in. A user
// name counts once the address is verified. Until then, and without a user name, an account signs
// in with its address.
func (i Identifiers) SignsIn(a Account, login string) bool {
	if IsUsername(login) {
		return i.Usernames() && a.Verified() && a.Username == login
	}
	return i != IdentifyByUsername || a.Username == "" || !a.Verified()
}

// Has reports whether the canonical name is the address or the user name of the account.
func (a Account) Has(login string) bool {
	return login != "" && (login == a.Email.Login || login == a.Username)
}

// IsUsername reports whether a canonical login is a user name: only addresses have an "@".
func IsUsername(login string) bool { return !strings.Contains(login, "@") }

// ParseLogin returns the canonical form of a name with which a user signs in: an email address or
// a user name. It is the only function that canonicalises login identifiers.
func ParseLogin(s string) (string, error) {
	if IsUsername(foldName(s)) {
		return ParseUsername(s)
	}
	email, err := ParseEmail(s)
	return email.Login, err
}

const (
	minUsername   = 3
	maxUsername   = 32
	usernameMarks = "._-"
	usernameText  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + usernameMarks
)

var (
	errUsername         = Invalid(CodeUsernameInvalid, "username", "username: 3 to 32 of a–z, 0–9, and single . _ - between them")
	errUsernameReserved = Invalid(CodeUsernameReserved, "username", "username: not a reserved name, such as admin or support")
)

// ParseUsername returns the canonical form of a user name: ASCII letters in lowercase, digits, and
// single marks between them. Compatibility forms are folded and invisible characters dropped, as
// by ParseEmail. Every other character is refused, since look-alikes of other scripts cannot be
// told apart. So are reserved names. Refusals: username_invalid, username_reserved.
func ParseUsername(s string) (string, error) {
	if len(s) > 1024 || !utf8.ValidString(s) {
		return "", errUsername
	}
	name := foldName(s)
	if len(name) < minUsername || len(name) > maxUsername || strings.Trim(name, usernameText) != "" {
		return "", errUsername
	}
	name = strings.ToLower(name) // only ASCII is left: "İ" would become "i"
	for i := range len(name) {
		mark := strings.IndexByte(usernameMarks, name[i]) >= 0
		if mark && (i == 0 || i == len(name)-1 || strings.IndexByte(usernameMarks, name[i-1]) >= 0) {
			return "", errUsername
		}
	}
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(usernameMarks, r) {
			return -1
		}
		return r
	}, name)
	if _, reserved := slices.BinarySearch(reservedNames, plain); reserved {
		return "", errUsernameReserved
	}
	return name, nil
}

// reservedNames are names, without marks, that users would take for the operator: roles, the
// mailboxes of RFC 2142, and words of addresses and programs. They are sorted.
var reservedNames = []string{
	"abuse", "account", "accounts", "admin", "administrator", "all", "anonymous", "api", "auth", "billing", "bot",
	"contact", "daemon", "default", "everyone", "ftp", "guest", "help", "helpdesk", "hostmaster", "info", "legal",
	"localhost", "login", "logout", "mail", "mailerdaemon", "marketing", "moderator", "news", "nobody", "noc", "none",
	"noreply", "null", "oauth", "official", "operator", "owner", "postmaster", "privacy", "register", "root", "sales",
	"security", "self", "service", "settings", "staff", "superuser", "support", "sysadmin", "system", "team", "test",
	"undefined", "unknown", "user", "username", "users", "uucp", "watchword", "webmaster", "www",
}
