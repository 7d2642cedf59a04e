package guard

import (
	"errors"
	"net/http"
	"strings"
)

// ParseBearer returns the credentials of the one Authorization header of r.
// The scheme name may be in any case; exactly one space follows it. Tokens in
// the query or the body do not count.
//
// The error is an *Error: ErrNoToken when there is no header or another
// scheme, ErrRequest when there are several or the header is malformed. That
// the result is a token at all is for Verify to say.
func ParseBearer(r *http.Request) (string, error) {
	token, e := bearer(r.Header)
	if e != nil {
		return "", e
	}
	return token, nil
}

// ParseAuthorization is ParseBearer for both schemes of access tokens: the result says
// which one it was, "Bearer" or "DPoP". It is given the values of the header.
func ParseAuthorization(values []string) (scheme, token string, err error) {
	scheme, token, e := credentials(values)
	if e != nil {
		return "", "", e
	}
	return scheme, token, nil
}

func bearer(h http.Header) (string, *Error) {
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

// credentials returns the scheme also beside an error, once it is known.
func credentials(values []string) (scheme, token string, e *Error) {
	if len(values) == 0 {
		return "", "", refuse(ErrNoToken, nil)
	}
	if len(values) > 1 {
		// Which of the two would the proxy in front of us have believed?
		return "", "", refuse(ErrRequest, errors.New("several Authorization headers"))
	}
	value := values[0]
	switch {
	case startsWith(value, schemeBearer):
		scheme = schemeBearer
	case startsWith(value, schemeDPoP):
		scheme = schemeDPoP
	default:
		return "", "", refuse(ErrNoToken, errScheme)
	}
	rest := value[len(scheme):]
	if rest == "" {
		return scheme, "", refuse(ErrRequest, errors.New("scheme without credentials"))
	}
	if rest[0] != ' ' {
		if rest[0] == '\t' {
			return scheme, "", refuse(ErrRequest, errors.New("tab after the scheme"))
		}
		return "", "", refuse(ErrNoToken, errScheme)
	}
	token = rest[1:]
	if token == "" || strings.IndexByte(token, ' ') >= 0 || strings.IndexByte(token, '\t') >= 0 || strings.IndexByte(token, ',') >= 0 {
		return scheme, "", refuse(ErrRequest, errors.New("credentials are not one token"))
	}
	return scheme, token, nil
}

func startsWith(value, scheme string) bool {
	return len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme)
}
