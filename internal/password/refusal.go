package password

import (
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Refusal turns an error of a Hasher or of Normalize into a refusal. Field is the member
// that holds the password.
func Refusal(field string, err error) error {
	if busy, ok := errors.AsType[*BusyError](err); ok {
		return auth.Unavailable(err, busy.RetryAfter)
	}
	switch {
	case errors.Is(err, ErrTooLong):
		return auth.Invalid(auth.CodePasswordTooLong, field, fmt.Sprintf("%s: at most %d characters", field, maxCodePoints))
	case errors.Is(err, ErrNotText):
		return auth.Invalid(auth.CodePasswordInvalid, field, field+": must be text")
	}
	return fmt.Errorf("hash password: %w", err)
}
