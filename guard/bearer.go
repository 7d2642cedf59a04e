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

func bearer(h http.Header) (string, *Error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", refuse(ErrNoToken, nil)
	}
	if len(values) > 1 {
		// Which of the two would the proxy in front of us have believed?
		return "", refuse(ErrRequest, errors.New("several Authorization headers"))
	}
	const scheme = "Bearer"
	value := values[0]
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", refuse(ErrNoToken, errors.New("another authentication scheme"))
	}
	rest := value[len(scheme):]
	if rest == "" {
		return "", refuse(ErrRequest, errors.New("scheme without credentials"))
	}
	if rest[0] != ' ' {
		if rest[0] == '\t' {
			return "", refuse(ErrRequest, errors.New("tab after the scheme"))
		}
		return "", refuse(ErrNoToken, errors.New("another authentication scheme"))
	}
	token := rest[1:]
	if token == "" || strings.IndexByte(token, ' ') >= 0 || strings.IndexByte(token, '\t') >= 0 || strings.IndexByte(token, ',') >= 0 {
		return "", refuse(ErrRequest, errors.New("credentials are not one token"))
	}
	return token, nil
}
