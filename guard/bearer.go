package guard

import (
	"errors"
	"net/http"
	"strings"
)

// ParseBearer returns the bearer token of the Authorization header of r. The scheme
// is case-insensitive and followed by exactly one space. It ignores tokens in the query
// and the body.
//
// The error is an *Error: ErrNoToken without a header or with another scheme,
// ErrInvalidRequest for several headers or a malformed one. ParseBearer does not check
// the token; Verify does.
func ParseBearer(r *http.Request) (string, error) {
	token, e := bearerToken(r.Header)
	if e != nil {
		return "", e
	}
	return token, nil
}

// ParseAuthorization returns the scheme, "Bearer" or "DPoP", and the token of the values
// of an Authorization header. Its rules and errors are those of ParseBearer.
func ParseAuthorization(values []string) (scheme, token string, err error) {
	scheme, token, e := credentials(values)
	if e != nil {
		return "", "", e
	}
	return scheme, token, nil
}

func bearerToken(h http.Header) (string, *Error) {
	scheme, token, e := credentials(h["Authorization"])
	if scheme == schemeDPoP {
		return "", refuse(ErrNoToken, errScheme)
	}
	return token, e
}

const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

var errScheme = errors.New("another authentication scheme")

// credentials returns the scheme even with an error, once it is known.
func credentials(values []string) (scheme, token string, e *Error) {
	if len(values) == 0 {
		return "", "", refuse(ErrNoToken, nil)
	}
	if len(values) > 1 {
		// A proxy in front could have checked the other one.
		return "", "", refuse(ErrInvalidRequest, errors.New("several Authorization headers"))
	}
	value := values[0]
	switch {
	case hasScheme(value, schemeBearer):
		scheme = schemeBearer
	case hasScheme(value, schemeDPoP):
		scheme = schemeDPoP
	default:
		return "", "", refuse(ErrNoToken, errScheme)
	}
	rest := value[len(scheme):]
	if rest == "" {
		return scheme, "", refuse(ErrInvalidRequest, errors.New("scheme without a token"))
	}
	if rest[0] != ' ' {
		if rest[0] == '\t' {
			return scheme, "", refuse(ErrInvalidRequest, errors.New("tab after the scheme"))
		}
		return "", "", refuse(ErrNoToken, errScheme)
	}
	token = rest[1:]
	if token == "" || strings.IndexByte(token, ' ') >= 0 || strings.IndexByte(token, '\t') >= 0 || strings.IndexByte(token, ',') >= 0 {
		return scheme, "", refuse(ErrInvalidRequest, errors.New("the value after the scheme is not a single token"))
	}
	return scheme, token, nil
}

func hasScheme(value, scheme string) bool {
	return len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme)
}
