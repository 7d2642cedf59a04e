package password

import (
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Refusal maps an error of a Hasher or of Normalize to a refusal. Field is the member
// that holds the password.
func Refusal(field string, err error) error {
	if busy, ok := errors.AsType[*BusyError](err); ok {
		return auth.Unavailable(err, busy.RetryAfter)
	}
	switch {
	case errors.Is(err, ErrTooLong):
		return auth.Invalid(auth.CodePasswordTooLong, field, fmt.Sprintf("%s: want at most %d characters", field, maxCodePoints))
	case errors.Is(err, ErrNotText):
		return auth.Invalid(auth.CodePasswordInvalid, field, field+": want text in UTF-8")
	}
	return fmt.Errorf("hash password: %w", err)
}
