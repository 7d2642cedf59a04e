package password

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Policy checks new passwords. It is not applied when a password is verified. The zero value has the lengths
// of DefaultPolicy, the built-in block list and no strength check. A tenant's settings are decoded over
// DefaultPolicy.
type Policy struct {
	MinLength      int  `json:"min_length"`      // code points; zero means LengthAlone
	MaxLength      int  `json:"max_length"`      // code points; zero means 128
	MinScore       int  `json:"min_score"`       // 0 to 4, see strength; 0 for no check
	RequireUpper   bool `json:"require_upper"`   // an uppercase letter
	RequireLower   bool `json:"require_lower"`   // a lowercase letter
	RequireDigit   bool `json:"require_digit"`   // a decimal digit
	RequireSpecial bool `json:"require_special"` // neither letter nor digit; a space counts

	// Blocklist holds the operator's additions to the common passwords, which are always refused. It may be nil.
	Blocklist *Blocklist `json:"-"`
}

// Blocklist holds passwords to refuse in addition to the common ones.
type Blocklist struct {
	Breached *Breached // may be nil
}

// Codes of a Reason, stable for programs and translations.
const (
	ReasonTooShort     = "too_short"
	ReasonTooLong      = "too_long"
	ReasonNotText      = "not_text"
	ReasonCommon       = "common"
	ReasonBreached     = "breached"
	ReasonContext      = "context"
	ReasonTooWeak      = "too_weak"
	ReasonNeedsUpper   = "needs_upper"
	ReasonNeedsLower   = "needs_lower"
	ReasonNeedsDigit   = "needs_digit"
	ReasonNeedsSpecial = "needs_special"
	ReasonUnavailable  = "unavailable" // the breached list could not be read
)

// Reason says why a password was refused, for the user who chose it.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The minimum lengths that NIST SP 800-63B-4 §3.1.1.2 requires.
const (
	LengthAlone        = 15 // of a password that is the only factor
	LengthBesideFactor = 8  // of a password beside a second factor
)

// Bounds of a policy. NIST SP 800-63B-4 §3.1.1.2 requires that at least 64 characters are allowed.
const (
	lowestMinLength  = LengthBesideFactor
	highestMinLength = 64
	lowestMaxLength  = 64
)

// DefaultPolicy is 15 to 128 characters, a score of at least 2, and no
// composition rules.
func DefaultPolicy() Policy {
	return Policy{MinLength: LengthAlone, MaxLength: maxCodePoints, MinScore: 2}
}

// Validate reports every setting outside its bounds, joined.
func (p Policy) Validate() error {
	p = p.withDefaults()
	var errs []error
	if p.MinLength < lowestMinLength || p.MinLength > highestMinLength {
		errs = append(errs, fmt.Errorf("min_length %d is not between %d and %d", p.MinLength, lowestMinLength, highestMinLength))
	}
	if p.MaxLength < lowestMaxLength || p.MaxLength > maxCodePoints {
		errs = append(errs, fmt.Errorf("max_length %d is not between %d and %d", p.MaxLength, lowestMaxLength, maxCodePoints))
	}
	if p.MinScore < 0 || p.MinScore > 4 {
		errs = append(errs, fmt.Errorf("min_score %d is not between 0 and 4", p.MinScore))
	}
	return errors.Join(errs...)
}

func (p Policy) withDefaults() Policy {
	d := DefaultPolicy()
	if p.MinLength == 0 {
		p.MinLength = d.MinLength
	}
	if p.MaxLength == 0 {
		p.MaxLength = d.MaxLength
	}
	return p
}

// Check returns every reason to refuse pw, given as typed; none means that it is acceptable. The context is
// the email address, the name, the tenant's name and whatever else is easily guessed about this account. An
// unreadable breached list is a reason too, so no password passes unchecked.
func (p Policy) Check(pw string, context ...string) []Reason {
	p = p.withDefaults()
	normal, err := Normalize(pw)
	switch {
	case errors.Is(err, ErrNotText):
		return []Reason{{ReasonNotText, "must be text"}}
	case err != nil || utf8.RuneCountInString(normal) > p.MaxLength:
		// The other checks are for passwords of normal length.
		return []Reason{{ReasonTooLong, fmt.Sprintf("must have at most %d characters", p.MaxLength)}}
	}
	var reasons []Reason
	add := func(refused bool, code, message string) {
		if refused {
			reasons = append(reasons, Reason{code, message})
		}
	}
	add(utf8.RuneCountInString(normal) < p.MinLength, ReasonTooShort, fmt.Sprintf("must have at least %d characters", p.MinLength))
	add(isCommon(normal), ReasonCommon, "is one of the most common passwords")
	reasons = append(reasons, p.Blocklist.check(normal)...)
	words := contextWords(context)
	add(containsAny(normal, words), ReasonContext, "must not contain your name, your email address or the name of this service")
	add(p.MinScore > 0 && strength(normal, words) < p.MinScore, ReasonTooWeak, "is too easy to guess; add more words or less predictable ones")
	add(p.RequireUpper && !strings.ContainsFunc(normal, unicode.IsUpper), ReasonNeedsUpper, "must contain an uppercase letter")
	add(p.RequireLower && !strings.ContainsFunc(normal, unicode.IsLower), ReasonNeedsLower, "must contain a lowercase letter")
	add(p.RequireDigit && !strings.ContainsFunc(normal, unicode.IsDigit), ReasonNeedsDigit, "must contain a digit")
	add(p.RequireSpecial && !strings.ContainsFunc(normal, isSpecial), ReasonNeedsSpecial, "must contain a character that is neither a letter nor a digit")
	return reasons
}

func (b *Blocklist) check(normal string) []Reason {
	if b == nil || b.Breached == nil {
		return nil
	}
	found, err := b.Breached.Contains(normal)
	switch {
	case err != nil:
		return []Reason{{ReasonUnavailable, "cannot be checked at the moment; try again later"}}
	case found:
		return []Reason{{ReasonBreached, "has appeared in a data breach"}}
	}
	return nil
}

func isSpecial(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}
